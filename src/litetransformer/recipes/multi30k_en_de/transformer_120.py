"""Multi30k En-De: the Transformer that costs as many mult-adds as Lite 160.

    lite train multi30k-en-de/transformer-120 --out runs/multi30k-en-de-transformer-120 --download

Expected: no row of the paper.
Measured: not run.
"""

from litetransformer.recipes.multi30k_en_de._base import base, transformer

recipe = base(model=transformer(120, 222))
