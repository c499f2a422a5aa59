"""WMT'14 En-Fr, Table 2: the Lite Transformer of 527M mult-adds.

    lite train wmt14-en-fr/lite-496 --out runs/wmt14-en-fr-lite-496 --download

Expected: 17.3M parameters, 527M mult-adds, 39.6 BLEU; the paper states no time.
Measured: not run.
"""

from litetransformer.recipes.wmt14_en_fr._base import base, expect, lite

recipe = base(
    model=lite(496, dropout=0.1, attention_dropout=0.08, weight_dropout=0.08),
    expect=expect(params=17.3, mult_adds=527, bleu=39.6),
)
