"""WikiText-103, Table 5: the Lite Transformer of 1147M mult-adds.

    lite train wikitext103/lite-896 --out runs/wikitext103-lite-896 --download

Expected: 37.2M parameters, 1147M mult-adds, perplexity 22.2; the paper states no time.
Measured: not run.
"""

from litetransformer.recipes.wikitext103._base import base, expect, lite

recipe = base(
    model=lite(896, dropout=0.21, attention_dropout=0.14, weight_dropout=0.14),
    expect=expect(params=37.2, mult_adds=1147, perplexity=22.2),
)
