"""IWSLT'14 De-En, Table 1: the middle Lite Transformer.

    lite train iwslt14-de-en/lite-240 --out runs/iwslt14-de-en-lite-240 --download

Expected: 5.4M parameters, 119M mult-adds, 32.9 BLEU; the paper states no time.
Measured: not run.
"""

from litetransformer.recipes.iwslt14_de_en._base import base, expect, lite

recipe = base(model=lite(240), expect=expect(params=5.4, mult_adds=119, bleu=32.9))
