"""WMT'14 En-Fr, Table 2: the Lite Transformer of 360M mult-adds.

    lite train wmt14-en-fr/lite-408 --out runs/wmt14-en-fr-lite-408 --download

Expected: 11.7M parameters, 360M mult-adds, 39.1 BLEU; the paper states no time.
Measured: not run.
"""

from litetransformer.recipes.wmt14_en_fr._base import base, expect, lite

recipe = base(
    model=lite(408, dropout=0.08, attention_dropout=0.07, weight_dropout=0.07),
    expect=expect(params=11.7, mult_adds=360, bleu=39.1),
)
