"""WikiText-103, Table 5's figure: the Transformer with adaptive inputs of 1154M mult-adds.

    lite train wikitext103/transformer-512 --out runs/wikitext103-transformer-512 --download

Expected: 1154M mult-adds, perplexity 24.0; the paper states no time.
Measured: not run.
"""

from litetransformer.recipes.wikitext103._base import base, expect, transformer

recipe = base(model=transformer(512, 2048), expect=expect(mult_adds=1154, perplexity=24.0))
