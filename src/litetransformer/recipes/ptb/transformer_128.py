"""Penn Treebank: the Transformer that costs what lite-224 costs.

    lite train ptb/transformer-128 --out runs/ptb-transformer-128 --data FOLDER

Expected: no row of the paper.
Measured: not run.
"""

from litetransformer.recipes.ptb._base import base, transformer

recipe = base(model=transformer(128, 536))
