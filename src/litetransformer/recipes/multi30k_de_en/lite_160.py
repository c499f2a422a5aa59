"""Multi30k De-En: the paper's small model for IWSLT'14.

    lite train multi30k-de-en/lite-160 --out runs/multi30k-de-en-lite-160 --download

Expected: no row of the paper.
Measured: not run.
"""

from litetransformer.recipes.multi30k_de_en._base import base, lite

recipe = base(model=lite(160))
