"""Kyoto wiki, English: a Lite language model of 38M mult-adds.

    lite train kyotowiki/lite-224 --out runs/kyotowiki-lite-224 --data FOLDER

Expected: no row of the paper.
Measured: not run.
"""

from litetransformer.recipes.kyotowiki._base import base, lite

recipe = base(model=lite(224))
