"""WMT'16 En-De, Table 2: the Transformer of 338M mult-adds, the baseline of Lite 408.

    lite train wmt16-en-de/transformer-256 --out runs/wmt16-en-de-transformer-256 --download

Expected: 11.1M parameters, 338M mult-adds, 25.1 BLEU; the paper states no time.
Measured: not run.
"""

from litetransformer.recipes.wmt16_en_de._base import base, expect, transformer

recipe = base(
    model=transformer(256, 1024, dropout=0.08, attention_dropout=0.06),
    expect=expect(params=11.1, mult_adds=338, bleu=25.1),
)
