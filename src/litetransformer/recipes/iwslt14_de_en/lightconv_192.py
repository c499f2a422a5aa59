"""IWSLT'14 De-En, Table 1: the middle LightConv, a baseline of Lite 240.

    lite train iwslt14-de-en/lightconv-192 --out runs/iwslt14-de-en-lightconv-192 --download

Expected: 5.1M parameters, 115M mult-adds, 31.6 BLEU; the paper states no time.
Measured: not run.
"""

from litetransformer.recipes.iwslt14_de_en._base import base, expect, lightconv

recipe = base(model=lightconv(192, 384), expect=expect(params=5.1, mult_adds=115, bleu=31.6))
