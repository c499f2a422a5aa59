"""IWSLT'14 De-En, Table 1: the middle Transformer, the baseline of Lite 240.

    lite train iwslt14-de-en/transformer-192 --out runs/iwslt14-de-en-transformer-192 --download

Expected: 5.7M parameters, 139M mult-adds, 31.3 BLEU; the paper states no time.
Measured: not run.
"""

from litetransformer.recipes.iwslt14_de_en._base import base, expect, transformer

recipe = base(model=transformer(192, 384), expect=expect(params=5.7, mult_adds=139, bleu=31.3))
