"""WMT'16 En-De: a DynamicConv of 88M mult-adds, with the convolutions' heads and GLU of the Lite rows.

    lite train wmt16-en-de/dynamicconv-128 --out runs/wmt16-en-de-dynamicconv-128 --download

Expected: no row of the paper.
Measured: not run.
"""

from litetransformer.recipes.wmt16_en_de._base import base, dynamicconv

recipe = base(model=dynamicconv(128, 512, dropout=0.04, attention_dropout=0.03, weight_dropout=0.03))
