"""Multi30k En-De: the paper's small Transformer for IWSLT'14.

    lite train multi30k-en-de/transformer-128 --out runs/multi30k-en-de-transformer-128 --download

Expected: no row of the paper.
Measured: not run.
"""

from litetransformer.recipes.multi30k_en_de._base import base, transformer

recipe = base(model=transformer(128, 256))
