"""AESLC: a Lite Transformer of 170M mult-adds at 150 source and 8 target tokens.

    lite train aeslc/lite-160 --out runs/aeslc-lite-160
        --source train.body --target train.subject
        --valid-source valid.body --valid-target valid.subject

Expected: no row of the paper.
Measured: not run.
"""

from litetransformer.recipes.aeslc._base import base, lite

recipe = base(model=lite(160))
