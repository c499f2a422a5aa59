"""Multi30k De-En: the paper's small model for IWSLT'14.

    lite train multi30k-de-en/lite-160 --out runs/multi30k-de-en-lite-160 --download

Expected: no row of the paper.
Measured: 43.4, 38.9 and 30.2 sacreBLEU on test 2016, 2017 and coco (3 seeds, H100, 2026-11-24); `lite table
multi30k-de-en` has them all.
"""

from litetransformer.recipes.multi30k_de_en._base import base, lite

recipe = base(model=lite(160))
