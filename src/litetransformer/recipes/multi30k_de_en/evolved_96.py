"""Multi30k De-En: the Evolved Transformer nearest to Lite 160 in mult-adds, 3% below.

    lite train multi30k-de-en/evolved-96 --out runs/multi30k-de-en-evolved-96 --download

Expected: no row of the paper.
Measured: not run.
"""

from litetransformer.recipes.multi30k_de_en._base import base, evolved

recipe = base(model=evolved(96))
