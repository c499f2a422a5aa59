"""CNN/DailyMail, Table 4: Transformer-base, of 2.0G mult-adds, the baseline of Lite 496.

    lite train cnndm/transformer-512 --out runs/cnndm-transformer-512 --download

Expected: 44.1M parameters, 2000M mult-adds, 41.4/18.9/38.3 ROUGE-1/2/L; the paper states no time.
Mult-adds are those of 45 source and 45 target tokens (`--source-tokens 45 --target-tokens 45`).
Measured: not run.
"""

from litetransformer.recipes.cnndm._base import base, expect, transformer

recipe = base(
    model=transformer(512, 2048), expect=expect(params=44.1, mult_adds=2000, rouge=(41.4, 18.9, 38.3))
)
