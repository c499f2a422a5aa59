"""WMT'16 En-De, Table 2: the Lite Transformer of 527M mult-adds.

    lite train wmt16-en-de/lite-496 --out runs/wmt16-en-de-lite-496 --download

Expected: 17.3M parameters, 527M mult-adds, 26.5 BLEU; the paper states no time.
Measured: not run.
"""

from litetransformer.recipes.wmt16_en_de._base import base, expect, lite

recipe = base(
    model=lite(496, dropout=0.1, attention_dropout=0.08, weight_dropout=0.08),
    expect=expect(params=17.3, mult_adds=527, bleu=26.5),
)
