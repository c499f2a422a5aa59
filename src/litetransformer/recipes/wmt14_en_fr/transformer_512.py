"""WMT'14 En-Fr: Transformer-base, from which the paper compresses.

    lite train wmt14-en-fr/transformer-512 --out runs/wmt14-en-fr-transformer-512 --download

Expected: 44.1M parameters, 39.9 BLEU; the paper states no time.
Measured: not run.
"""

from litetransformer.recipes.wmt14_en_fr._base import base, expect, transformer

recipe = base(
    model=transformer(512, 2048, dropout=0.1, attention_dropout=0.08),
    expect=expect(params=44.1, bleu=39.9, source="the compression figure"),
)
