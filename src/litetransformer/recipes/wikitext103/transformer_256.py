"""WikiText-103, Table 5's figure: the Transformer with adaptive inputs of 293M mult-adds.

    lite train wikitext103/transformer-256 --out runs/wikitext103-transformer-256 --download

Expected: 293M mult-adds, perplexity 32.3; the paper states no time.
Measured: not run.
"""

from litetransformer.recipes.wikitext103._base import base, expect, transformer

recipe = base(model=transformer(256, 1024), expect=expect(mult_adds=293, perplexity=32.3))
