"""Penn Treebank: the Transformer that costs what lite-320 costs.

    lite train ptb/transformer-184 --out runs/ptb-transformer-184 --data FOLDER

Expected: no row of the paper.
Measured: not run.
"""

from litetransformer.recipes.ptb._base import base, transformer

recipe = base(model=transformer(184, 736))
