"""IWSLT'14 De-En, Table 1: the small LightConv, a baseline of Lite 160.

    lite train iwslt14-de-en/lightconv-128 --out runs/iwslt14-de-en-lightconv-128 --download

Expected: 2.5M parameters, 52M mult-adds, 28.5 BLEU; the paper states no time.
Measured: not run.
"""

from litetransformer.recipes.iwslt14_de_en._base import base, expect, lightconv

recipe = base(model=lightconv(128, 256), expect=expect(params=2.5, mult_adds=52, bleu=28.5))
