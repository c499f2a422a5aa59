"""Multi30k De-En: the flattened Transformer that costs as many mult-adds as Lite 160.

    lite train multi30k-de-en/flattened-132 --out runs/multi30k-de-en-flattened-132 --download

Expected: no row of the paper.
Measured: not run.
"""

from litetransformer.recipes.multi30k_de_en._base import base, transformer

recipe = base(model=transformer(132, 132))
