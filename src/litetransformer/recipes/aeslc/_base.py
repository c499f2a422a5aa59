"""What the recipes for AESLC share: pre-norm, much dropout, and some twenty epochs of 14 thousand e-mails.

The set (Zhang and Tetreault 2019, https://github.com/ryanzhumich/AESLC) is named by its texts: the bodies in
one file, a line each, the subjects in another. A subject has 8 tokens in the mean, its end included, and a
body that is cut to 512 tokens has 150: at these lengths the models are compared.
"""

from dataclasses import replace
from functools import partial

from litetransformer import Cosine, SearchOptions, Seq2SeqSpec
from litetransformer.recipes import _base as little


def lite(width: int) -> Seq2SeqSpec:
    return replace(little.lite(width, dynamic=True, dropout=0.3), norm="pre")


def transformer(width: int, hidden: int) -> Seq2SeqSpec:
    return replace(little.transformer(width, hidden, dropout=0.3), norm="pre")


base = partial(
    little.summaries,
    train=replace(
        little.SUMMARIES,
        updates=1800,
        # Subjects are short: a smaller batch would hold too few of their tokens.
        batch_tokens=32_768,
        schedule=Cosine(peak=3e-3, warmup=180, period=1620),
        validate_every=0,
        patience=0,
        keep="last",
    ),
    search=SearchOptions(beam=4, length_penalty=1.0, shortest=1, longest=32, no_repeat_ngram=3),
)
