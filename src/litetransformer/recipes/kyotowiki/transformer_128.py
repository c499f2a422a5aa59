"""Kyoto wiki, English: the Transformer that costs what lite-224 costs.

    lite train kyotowiki/transformer-128 --out runs/kyotowiki-transformer-128 --data FOLDER

Expected: no row of the paper.
Measured: not run.
"""

from litetransformer.recipes.kyotowiki._base import base, transformer

recipe = base(model=transformer(128, 536))
