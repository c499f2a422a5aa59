"""WikiText-103, Table 5's figure: the Transformer with adaptive inputs of 2583M mult-adds.

    lite train wikitext103/transformer-768 --out runs/wikitext103-transformer-768 --download

Expected: 2583M mult-adds, perplexity 22.0; the paper states no time.
Measured: not run.
"""

from litetransformer.recipes.wikitext103._base import base, expect, transformer

recipe = base(model=transformer(768, 3072), expect=expect(mult_adds=2583, perplexity=22.0))
