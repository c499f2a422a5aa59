"""WMT'16 En-De, Table 2: the Transformer of 527M mult-adds, the baseline of Lite 496.

    lite train wmt16-en-de/transformer-320 --out runs/wmt16-en-de-transformer-320 --download

Expected: 17.3M parameters, 527M mult-adds, 26.1 BLEU; the paper states no time.
Measured: not run.
"""

from litetransformer.recipes.wmt16_en_de._base import base, expect, transformer

recipe = base(
    model=transformer(320, 1280, dropout=0.1, attention_dropout=0.08),
    expect=expect(params=17.3, mult_adds=527, bleu=26.1),
)
