"""What the rows for WikiText-103 share (PAPER §3): Nesterov's gradient, adaptive softmax, wide windows.

The paper trains on eight GPUs, three batches of 3072 tokens each an update. Perplexity is that of windows of
3072 tokens, each word with at least 2560 words before it.
"""

from functools import partial

import litetransformer
from litetransformer import Cosine, Expect, LanguageRecipe, Nesterov, TextData, Training, Vocabulary

CUTOFFS = (20_000, 60_000)
lite = partial(litetransformer.lite_lm, cutoffs=CUTOFFS, output_dropout=0.2)
# No source states the baselines' depth and dropout: twelve layers come nearest to the published mult-adds.
transformer = partial(
    litetransformer.transformer_lm, cutoffs=CUTOFFS, output_dropout=0.2, dropout=0.21, attention_dropout=0.14
)

TRAINING = Training(
    updates=286_000,
    batch_tokens=6144,
    accumulate=12,
    longest=3072,
    optimizer=Nesterov(momentum=0.99),
    schedule=Cosine(peak=1.0, warmup=16_000, period=270_000, start=1e-7, end=1e-4),
    label_smoothing=0.0,
    clip=0.1,
    save_every=500,
    precision="fp32",
)
base = partial(
    LanguageRecipe,
    data=TextData(name="wikitext103"),
    vocabulary=Vocabulary(kind="words", size=267_744),
    train=TRAINING,
    block=3072,
    window=3072,
    context=2560,
)
expect = partial(Expect, source="Table 5 and its figure")
