"""What recipes for small language models share: six layers, windows of a block, a modern training."""

from functools import partial

import litetransformer
from litetransformer import Adam, Cosine, LanguageRecipe, Training, Vocabulary

TAPS = (7, 15, 31, 31, 63, 63)

lite = partial(
    litetransformer.lite_lm,
    taps=TAPS,
    final_norm=True,
    dropout=0.1,
    attention_dropout=0.1,
    weight_dropout=0.1,
)
transformer = partial(
    litetransformer.transformer_lm, layers=6, heads=4, final_norm=True, dropout=0.1, attention_dropout=0.1
)

TRAINING = Training(
    updates=20_000,
    batch_tokens=16_384,
    optimizer=Adam(weight_decay=0.1),
    schedule=Cosine(peak=2e-3, warmup=1000, period=19_000),
    label_smoothing=0.0,
    clip=1.0,
    validate_every=500,
    patience=10,
)
base = partial(
    LanguageRecipe, vocabulary=Vocabulary(size=8192), train=TRAINING, block=256, window=256, context=192
)
