"""What the rows for CNN/DailyMail share (PAPER §3 and §5): long sources, cut, and summaries of a set length.

Other than in the paper, the vocabulary is SentencePiece's; no source states the size of the paper's. The
published mult-adds come out at 90 tokens in all, of the source and the target together: 45 and 45 here. An
update holds the paper's 524 thousand tokens in fewer, larger batches; on a small GPU lower
`train.batch_tokens` and raise `train.accumulate` by the same factor.
"""

from functools import partial

import litetransformer
from litetransformer import Adam, Cosine, Data, Expect, Recipe, SearchOptions, Training, Vocabulary

DROPOUT, ATTENTION_DROPOUT, WEIGHT_DROPOUT = 0.15, 0.1, 0.1
lite = partial(
    litetransformer.lite,
    dynamic=True,
    cross_heads=8,
    tied="all",
    dropout=DROPOUT,
    attention_dropout=ATTENTION_DROPOUT,
    weight_dropout=WEIGHT_DROPOUT,
)
# No source states the baseline's heads and dropout: they are those of the row that it is compared with.
transformer = partial(
    litetransformer.transformer,
    heads=8,
    tied="all",
    dropout=DROPOUT,
    attention_dropout=ATTENTION_DROPOUT,
)

base = partial(
    Recipe,
    task="summarization",
    data=Data(name="cnndm", source_language="en", target_language="en", truncate_source=1000),
    vocabulary=Vocabulary(size=32_768),
    train=Training(
        updates=50_000,
        batch_tokens=16_384,
        accumulate=32,
        longest=1024,
        optimizer=Adam(weight_decay=0.0),
        schedule=Cosine(peak=1e-3, warmup=10_000, period=40_000),
        save_every=500,
        best_by="loss",
        keep="best",
        precision="fp32",
    ),
    search=SearchOptions(beam=4, length_penalty=2.0, shortest=55, longest=140, no_repeat_ngram=3),
    scoring="rouge",
)
expect = partial(Expect, source_tokens=45, target_tokens=45, source="Table 4")
