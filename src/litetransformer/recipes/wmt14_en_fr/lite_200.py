"""WMT'14 En-Fr, Table 2: the Lite Transformer of 90M mult-adds.

    lite train wmt14-en-fr/lite-200 --out runs/wmt14-en-fr-lite-200 --download

Expected: 2.9M parameters, 90M mult-adds, 35.3 BLEU; the paper states no time.
Measured: not run.
"""

from litetransformer.recipes.wmt14_en_fr._base import base, expect, lite

recipe = base(
    model=lite(200, dropout=0.04, attention_dropout=0.03, weight_dropout=0.03),
    expect=expect(params=2.9, mult_adds=90, bleu=35.3),
)
