"""WMT'16 En-De: a flattened Transformer of 87M mult-adds, as many as Transformer 128 has.

    lite train wmt16-en-de/flattened-168 --out runs/wmt16-en-de-flattened-168 --download

Expected: no row of the paper.
Measured: not run.
"""

from litetransformer.recipes.wmt16_en_de._base import base, transformer

recipe = base(model=transformer(168, 168, dropout=0.04, attention_dropout=0.03))
