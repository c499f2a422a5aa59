"""What the recipes for the Kyoto wiki share: about six passes over the text.

The text is that of the Japanese-English Bilingual Corpus of Wikipedia's Kyoto Articles, a sentence a line; a
folder with train.txt and valid.txt is named with --data.
"""

from dataclasses import replace
from functools import partial

from litetransformer import Cosine
from litetransformer.recipes import _language as small

lite, transformer = small.lite, small.transformer

TRAINING = replace(
    small.TRAINING,
    updates=3000,
    batch_tokens=32_768,
    schedule=Cosine(peak=2e-3, warmup=300, period=2700),
    patience=0,
)
base = partial(small.base, train=TRAINING)
