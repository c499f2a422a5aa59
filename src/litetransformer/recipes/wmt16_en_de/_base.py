"""What the rows of Table 2 share (PAPER §3), and what is En-De's own.

Other than in the paper, the text is raw and the vocabulary SentencePiece's, of the size that the paper's
dictionary has: learned from a sample, in minutes. An update holds the paper's 524 thousand tokens in fewer,
larger batches; on a small GPU lower `train.batch_tokens` and raise `train.accumulate` by the same factor.
"""

from functools import partial

import litetransformer
from litetransformer import Adam, Cosine, Data, Expect, Recipe, SearchOptions, Training, Vocabulary

lite = partial(litetransformer.lite, dynamic=True, cross_heads=8, tied="all")
# No source states the baselines' heads and dropout: eight heads as in the decoders of the rows that they are
# compared with, and the dropout of the row nearest in size.
transformer = partial(litetransformer.transformer, heads=8, tied="all")
dynamicconv = partial(litetransformer.lightconv, dynamic=True, glu=True, tied="all")
evolved = partial(litetransformer.evolved, tied="all")

TRAINING = Training(
    updates=50_000,
    batch_tokens=16_384,
    accumulate=32,
    optimizer=Adam(weight_decay=0.0),
    schedule=Cosine(peak=1e-3, warmup=10_000, period=40_000),
    save_every=500,
    best_by="loss",
    keep="best",
    precision="fp32",
)
base = partial(
    Recipe,
    data=Data(name="wmt16-en-de", source_language="en", target_language="de"),
    vocabulary=Vocabulary(size=32_768),
    train=TRAINING,
    search=SearchOptions(beam=4, length_penalty=0.6),
    scoring="paper-compound",
)
expect = partial(Expect, source="Table 2")
