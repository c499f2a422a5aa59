"""CNN/DailyMail, 39k subset: a Transformer of 2.5 times the mult-adds of Lite 240, as the paper compares.

    lite train cnndm39k/transformer-256 --out runs/cnndm39k-transformer-256
        --source train.article400 --target train.abstract
        --valid-source valid.article400 --valid-target valid.abstract

Expected: no row of the paper.
Measured: not run.
"""

from litetransformer.recipes.cnndm39k._base import base, transformer

recipe = base(model=transformer(256, 1024))
