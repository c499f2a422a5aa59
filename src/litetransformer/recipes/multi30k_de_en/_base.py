"""What the recipes for Multi30k share: much dropout, and the average of the last epochs."""

from dataclasses import replace
from functools import partial

from litetransformer import Data, InverseSqrt
from litetransformer.recipes import _base as little

DROPOUT, WEIGHT_DROPOUT = 0.3, 0.1
lite = partial(little.lite, dropout=DROPOUT, weight_dropout=WEIGHT_DROPOUT)
transformer = partial(little.transformer, dropout=DROPOUT)

TRAINING = replace(
    little.TRAINING,
    updates=10_000,
    longest=128,
    schedule=InverseSqrt(peak=1e-3, warmup=1000),
    validate_every=0,
    patience=0,
    keep="average",
    average=10,
)
# Smaller updates, more of them in the same time, for two CPU cores.
LAPTOP = replace(TRAINING, updates=8000, batch_tokens=2048, schedule=InverseSqrt(peak=2e-3, warmup=500))
base = partial(
    little.base,
    data=Data(name="multi30k-de-en", source_language="de", target_language="en"),
    train=TRAINING,
)
