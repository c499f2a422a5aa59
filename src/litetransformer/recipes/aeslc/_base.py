"""What the recipes for AESLC share: pre-norm, much dropout, and some twenty epochs of 14 thousand e-mails.

The set (Zhang and Tetreault 2019, https://github.com/ryanzhumich/AESLC) is named by its texts: the bodies in
one file, a line each, the subjects in another. A subject has 8 tokens in the mean, its end included, and a
body that is cut to 512 tokens has 150: at these lengths the models are compared.
"""

from functools import partial

from litetransformer import SearchOptions
from litetransformer.recipes import _base as little
from litetransformer.recipes._base import falling, pre_norm

lite = pre_norm(partial(little.lite, dynamic=True, dropout=0.3))
transformer = pre_norm(partial(little.transformer, dropout=0.3))

base = partial(
    little.summaries,
    # Subjects are short, but larger updates are too few: with 32,768 tokens it learns far less (docs/log.md).
    train=falling(little.SUMMARIES, updates=8000, batch_tokens=8192, peak=3e-3),
    search=SearchOptions(beam=4, length_penalty=1.0, shortest=1, longest=32, no_repeat_ngram=3),
)
