"""Tatoeba De-En: the paper's small model for IWSLT'14.

    lite train tatoeba-de-en/lite-160 --out runs/tatoeba-de-en-lite-160 --download

Expected: no row of the paper.
Measured: not run.
"""

from litetransformer.recipes.tatoeba_de_en._base import base, lite

recipe = base(model=lite(160))
