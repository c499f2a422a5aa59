"""Penn Treebank: a Lite language model of 38M mult-adds.

    lite train ptb/lite-224 --out runs/ptb-lite-224 --data FOLDER

Expected: no row of the paper.
Measured: not run.
"""

from litetransformer.recipes.ptb._base import base, lite

recipe = base(model=lite(224))
