"""WMT'16 En-De, Table 2: the Lite Transformer of 360M mult-adds.

    lite train wmt16-en-de/lite-408 --out runs/wmt16-en-de-lite-408 --download

Expected: 11.7M parameters, 360M mult-adds, 25.6 BLEU; the paper states no time.
Measured: not run.
"""

from litetransformer.recipes.wmt16_en_de._base import base, expect, lite

recipe = base(
    model=lite(408, dropout=0.08, attention_dropout=0.06, weight_dropout=0.06),
    expect=expect(params=11.7, mult_adds=360, bleu=25.6),
)
