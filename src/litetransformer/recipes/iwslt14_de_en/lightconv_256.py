"""IWSLT'14 De-En, Table 1: the large LightConv, a baseline of Lite 320.

    lite train iwslt14-de-en/lightconv-256 --out runs/iwslt14-de-en-lightconv-256 --download

Expected: 8.4M parameters, 204M mult-adds, 32.9 BLEU; the paper states no time.
Measured: not run.
"""

from litetransformer.recipes.iwslt14_de_en._base import base, expect, lightconv

recipe = base(model=lightconv(256, 512), expect=expect(params=8.4, mult_adds=204, bleu=32.9))
