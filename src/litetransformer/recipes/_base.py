"""What recipes for little text share: ten thousand to a million sentences, one vocabulary for both sides."""

from dataclasses import replace
from functools import partial

import litetransformer
from litetransformer import (
    Adam,
    Cosine,
    Data,
    InverseSqrt,
    Recipe,
    SearchOptions,
    Seq2SeqSpec,
    Training,
    Vocabulary,
)

lite = partial(litetransformer.lite, tied="all", dropout=0.2, weight_dropout=0.1)
transformer = partial(litetransformer.transformer, tied="all", dropout=0.2)
lightconv = partial(litetransformer.lightconv, tied="all", dropout=0.2, weight_dropout=0.1)
evolved = partial(litetransformer.evolved, heads=4, tied="all", dropout=0.2)


def pre_norm(build: partial[Seq2SeqSpec]) -> partial[Seq2SeqSpec]:
    """`build`, with each layer's norm before it."""

    def pre(*sizes: int, **options: float) -> Seq2SeqSpec:
        return replace(build(*sizes, **options), norm="pre")

    return partial(pre)


# The validation loss ends training: it suits any amount of text and, unlike BLEU, any language.
TRAINING = Training(
    updates=50_000,
    batch_tokens=4096,
    optimizer=Adam(weight_decay=1e-4),
    schedule=InverseSqrt(peak=1e-3, warmup=2000),
    validate_every=500,
    patience=10,
    best_by="loss",
    keep="best",
)


def falling(
    training: Training,
    *,
    updates: int,
    batch_tokens: int,
    peak: float,
    longest: int | None = None,
    validate_every: int = 0,
) -> Training:
    """`training` with a fixed end: a tenth of the `updates` up to the rate `peak`, then a cosine to zero.

    The last weights are kept, since the rate has fallen; validation, after every epoch unless told, is for
    the log.
    """
    warmup = updates // 10
    return replace(
        training,
        updates=updates,
        batch_tokens=batch_tokens,
        longest=longest or training.longest,
        schedule=Cosine(peak=peak, warmup=warmup, period=updates - warmup),
        validate_every=validate_every,
        patience=0,
        keep="last",
    )


base = partial(
    Recipe,
    vocabulary=Vocabulary(size=8000),
    train=TRAINING,
    search=SearchOptions(beam=4, length_penalty=1.0),
)

# A batch holds sixteen documents of the most tokens that are read, and more shorter ones.
READ = 512
SUMMARIES = replace(TRAINING, batch_tokens=8192, longest=READ + 1)
summaries = partial(
    base,
    task="summarization",
    data=Data(source_language="en", target_language="en", truncate_source=READ),
    train=SUMMARIES,
    search=SearchOptions(beam=4, length_penalty=1.0, longest=140, no_repeat_ngram=3),
    scoring="rouge",
)
