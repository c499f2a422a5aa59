"""AESLC: the Transformer that costs as many mult-adds as Lite 160.

    lite train aeslc/transformer-120 --out runs/aeslc-transformer-120
        --source train.body --target train.subject
        --valid-source valid.body --valid-target valid.subject

Expected: no row of the paper.
Measured: not run.
"""

from litetransformer.recipes.aeslc._base import base, transformer

recipe = base(model=transformer(120, 236))
