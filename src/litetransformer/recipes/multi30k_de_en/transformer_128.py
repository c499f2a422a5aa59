"""Multi30k De-En: the paper's small Transformer for IWSLT'14.

    lite train multi30k-de-en/transformer-128 --out runs/multi30k-de-en-transformer-128 --download

Expected: no row of the paper.
Measured: not run.
"""

from litetransformer.recipes.multi30k_de_en._base import base, transformer

recipe = base(model=transformer(128, 256))
