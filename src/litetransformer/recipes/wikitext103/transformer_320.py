"""WikiText-103, Table 5's figure: the Transformer with adaptive inputs of 455M mult-adds.

    lite train wikitext103/transformer-320 --out runs/wikitext103-transformer-320 --download

Expected: 455M mult-adds, perplexity 28.4; the paper states no time.
Measured: not run.
"""

from litetransformer.recipes.wikitext103._base import base, expect, transformer

recipe = base(model=transformer(320, 1280), expect=expect(mult_adds=455, perplexity=28.4))
