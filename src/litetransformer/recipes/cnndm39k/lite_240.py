"""CNN/DailyMail, 39k subset: a Lite Transformer of 1.4G mult-adds at 454 source and 58 target tokens.

    lite train cnndm39k/lite-240 --out runs/cnndm39k-lite-240
        --source train.article400 --target train.abstract
        --valid-source valid.article400 --valid-target valid.abstract

Expected: no row of the paper.
Measured: not run.
"""

from litetransformer.recipes.cnndm39k._base import base, lite

recipe = base(model=lite(240))
