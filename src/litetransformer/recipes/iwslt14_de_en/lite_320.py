"""IWSLT'14 De-En, Table 1: the large Lite Transformer.

    lite train iwslt14-de-en/lite-320 --out runs/iwslt14-de-en-lite-320 --download

Expected: 8.9M parameters, 209M mult-adds, 33.6 BLEU; the paper states no time.
Measured: not run.
"""

from litetransformer.recipes.iwslt14_de_en._base import base, expect, lite

recipe = base(model=lite(320), expect=expect(params=8.9, mult_adds=209, bleu=33.6))
