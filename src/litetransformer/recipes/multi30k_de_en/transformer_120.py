"""Multi30k De-En: the Transformer that costs as many mult-adds as Lite 160.

    lite train multi30k-de-en/transformer-120 --out runs/multi30k-de-en-transformer-120 --download

Expected: no row of the paper.
Measured: not run.
"""

from litetransformer.recipes.multi30k_de_en._base import base, transformer

recipe = base(model=transformer(120, 222))
