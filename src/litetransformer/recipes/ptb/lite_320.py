"""Penn Treebank: a Lite language model of 75M mult-adds.

    lite train ptb/lite-320 --out runs/ptb-lite-320 --data FOLDER

Expected: no row of the paper.
Measured: not run.
"""

from litetransformer.recipes.ptb._base import base, lite

recipe = base(model=lite(320))
