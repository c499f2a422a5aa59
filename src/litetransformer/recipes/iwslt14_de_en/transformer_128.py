"""IWSLT'14 De-En, Table 1: the small Transformer, the baseline of Lite 160.

    lite train iwslt14-de-en/transformer-128 --out runs/iwslt14-de-en-transformer-128 --download

Expected: 2.8M parameters, 63M mult-adds, 27.8 BLEU; the paper states no time.
Measured: not run.
"""

from litetransformer.recipes.iwslt14_de_en._base import base, expect, transformer

recipe = base(model=transformer(128, 256), expect=expect(params=2.8, mult_adds=63, bleu=27.8))
