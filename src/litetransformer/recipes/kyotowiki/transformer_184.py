"""Kyoto wiki, English: the Transformer that costs what lite-320 costs.

    lite train kyotowiki/transformer-184 --out runs/kyotowiki-transformer-184 --data FOLDER

Expected: no row of the paper.
Measured: not run.
"""

from litetransformer.recipes.kyotowiki._base import base, transformer

recipe = base(model=transformer(184, 736))
