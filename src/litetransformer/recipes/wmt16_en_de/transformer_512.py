"""WMT'16 En-De: Transformer-base, for which the paper states no score here.

    lite train wmt16-en-de/transformer-512 --out runs/wmt16-en-de-transformer-512 --download

Expected: 44.1M parameters; the paper states no time.
Measured: not run.
"""

from litetransformer.recipes.wmt16_en_de._base import base, expect, transformer

recipe = base(
    model=transformer(512, 2048, dropout=0.1, attention_dropout=0.08),
    expect=expect(params=44.1, source="the compression figure"),
)
