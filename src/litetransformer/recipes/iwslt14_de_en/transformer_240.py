"""IWSLT'14 De-En, Table 1: the large Transformer, the baseline of Lite 320.

    lite train iwslt14-de-en/transformer-240 --out runs/iwslt14-de-en-transformer-240 --download

Expected: 8.5M parameters, 215M mult-adds, 32.7 BLEU; the paper states no time.
Measured: not run.
"""

from litetransformer.recipes.iwslt14_de_en._base import base, expect, transformer

recipe = base(model=transformer(240, 480), expect=expect(params=8.5, mult_adds=215, bleu=32.7))
