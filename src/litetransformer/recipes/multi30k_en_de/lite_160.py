"""Multi30k En-De: the paper's small model for IWSLT'14.

    lite train multi30k-en-de/lite-160 --out runs/multi30k-en-de-lite-160 --download

Expected: no row of the paper.
Measured: not run.
"""

from litetransformer.recipes.multi30k_en_de._base import base, lite

recipe = base(model=lite(160))
