"""WMT'14 En-Fr, Table 2: the Transformer of 527M mult-adds, the baseline of Lite 496.

    lite train wmt14-en-fr/transformer-320 --out runs/wmt14-en-fr-transformer-320 --download

Expected: 17.3M parameters, 527M mult-adds, 38.4 BLEU; the paper states no time.
Measured: not run.
"""

from litetransformer.recipes.wmt14_en_fr._base import base, expect, transformer

recipe = base(
    model=transformer(320, 1280, dropout=0.1, attention_dropout=0.08),
    expect=expect(params=17.3, mult_adds=527, bleu=38.4),
)
