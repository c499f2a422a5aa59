"""WMT'16 En-De, Table 2: the Transformer of 87M mult-adds, the baseline of Lite 200.

    lite train wmt16-en-de/transformer-128 --out runs/wmt16-en-de-transformer-128 --download

Expected: 2.8M parameters, 87M mult-adds, 21.3 BLEU; 8 GPUs, 12 hours (Table 3).
Measured: not run.
"""

from litetransformer.recipes.wmt16_en_de._base import base, expect, transformer

recipe = base(
    model=transformer(128, 512, dropout=0.04, attention_dropout=0.03),
    expect=expect(params=2.8, mult_adds=87, bleu=21.3),
)
