"""WMT'14 En-Fr, Table 2: the Transformer of 87M mult-adds, the baseline of Lite 200.

    lite train wmt14-en-fr/transformer-128 --out runs/wmt14-en-fr-transformer-128 --download

Expected: 2.8M parameters, 87M mult-adds, 33.6 BLEU; the paper states no time.
Measured: not run.
"""

from litetransformer.recipes.wmt14_en_fr._base import base, expect, transformer

recipe = base(
    model=transformer(128, 512, dropout=0.04, attention_dropout=0.03),
    expect=expect(params=2.8, mult_adds=87, bleu=33.6),
)
