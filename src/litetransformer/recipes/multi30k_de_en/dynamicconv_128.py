"""Multi30k De-En: the DynamicConv that costs as many mult-adds as Lite 160.

    lite train multi30k-de-en/dynamicconv-128 --out runs/multi30k-de-en-dynamicconv-128 --download

Expected: no row of the paper.
Measured: not run.
"""

from litetransformer.recipes.multi30k_de_en._base import base, lightconv

recipe = base(model=lightconv(128, 242, dynamic=True))
