"""WMT'16 En-De, Table 2: the Lite Transformer of 90M mult-adds.

    lite train wmt16-en-de/lite-200 --out runs/wmt16-en-de-lite-200 --download

Expected: 2.9M parameters, 90M mult-adds, 22.5 BLEU; 8 GPUs, 14 hours (Table 3).
Measured: not run.
"""

from litetransformer.recipes.wmt16_en_de._base import base, expect, lite

recipe = base(
    model=lite(200, dropout=0.04, attention_dropout=0.03, weight_dropout=0.03),
    expect=expect(params=2.9, mult_adds=90, bleu=22.5),
)
