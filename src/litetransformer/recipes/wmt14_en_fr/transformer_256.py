"""WMT'14 En-Fr, Table 2: the Transformer of 338M mult-adds, the baseline of Lite 408.

    lite train wmt14-en-fr/transformer-256 --out runs/wmt14-en-fr-transformer-256 --download

Expected: 11.1M parameters, 338M mult-adds, 37.6 BLEU; the paper states no time.
Measured: not run.
"""

from litetransformer.recipes.wmt14_en_fr._base import base, expect, transformer

recipe = base(
    model=transformer(256, 1024, dropout=0.08, attention_dropout=0.07),
    expect=expect(params=11.1, mult_adds=338, bleu=37.6),
)
