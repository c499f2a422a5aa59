"""What the recipes for Penn Treebank share: whole words, much dropout, thirty passes over the text.

The text is the preprocessed one that language models are compared on, with ``<unk>`` and ``N``; a folder with
ptb.train.txt and ptb.valid.txt is named with --data.
"""

from dataclasses import replace
from functools import partial

from litetransformer import Cosine, Vocabulary
from litetransformer.recipes import _language as small

lite = partial(small.lite, dropout=0.35, weight_dropout=0.2, attention_dropout=0.2, output_dropout=0.35)
transformer = partial(small.transformer, dropout=0.35, attention_dropout=0.2, output_dropout=0.35)

TRAINING = replace(
    small.TRAINING,
    updates=7000,
    batch_tokens=4096,
    schedule=Cosine(peak=2e-3, warmup=500, period=6500),
    validate_every=250,
    patience=0,
)
base = partial(
    small.base,
    vocabulary=Vocabulary(kind="words", size=10_008),
    train=TRAINING,
    block=128,
    window=128,
    context=96,
)
