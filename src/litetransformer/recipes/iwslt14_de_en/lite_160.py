"""IWSLT'14 De-En, Table 1: the small Lite Transformer.

    lite train iwslt14-de-en/lite-160 --out runs/iwslt14-de-en-lite-160 --download

Expected: 2.8M parameters, 54M mult-adds, 30.9 BLEU; the paper states no time.
Measured: not run.
"""

from litetransformer.recipes.iwslt14_de_en._base import base, expect, lite

recipe = base(model=lite(160), expect=expect(params=2.8, mult_adds=54, bleu=30.9))
