"""AESLC: a Transformer of 2.5 times the mult-adds of Lite 160, as the paper compares.

    lite train aeslc/transformer-168 --out runs/aeslc-transformer-168
        --source train.body --target train.subject
        --valid-source valid.body --valid-target valid.subject

Expected: no row of the paper.
Measured: not run.
"""

from litetransformer.recipes.aeslc._base import base, transformer

recipe = base(model=transformer(168, 672))
