"""What recipes for little text share: ten thousand to a million sentences, one vocabulary for both sides."""

from functools import partial

import litetransformer
from litetransformer import Adam, InverseSqrt, Recipe, SearchOptions, Training, Vocabulary

lite = partial(litetransformer.lite, tied="all", dropout=0.2, weight_dropout=0.1)
transformer = partial(litetransformer.transformer, tied="all", dropout=0.2)

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
base = partial(
    Recipe,
    vocabulary=Vocabulary(size=8000),
    train=TRAINING,
    search=SearchOptions(beam=4, length_penalty=1.0),
)
