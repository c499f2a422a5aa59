"""CNN/DailyMail, Table 4: the Lite Transformer of 800M mult-adds.

    lite train cnndm/lite-496 --out runs/cnndm-lite-496 --download

Expected: 17.3M parameters, 800M mult-adds, 41.3/18.8/38.3 ROUGE-1/2/L; the paper states no time.
Mult-adds are those of 45 source and 45 target tokens (`--source-tokens 45 --target-tokens 45`).
Measured: not run.
"""

from litetransformer.recipes.cnndm._base import base, expect, lite

recipe = base(model=lite(496), expect=expect(params=17.3, mult_adds=800, rouge=(41.3, 18.8, 38.3)))
