"""What the recipes for Canadian law share: the models of WMT'14 En-Fr (PAPER §3), and some nine epochs.

Other than there, norms come first, which a short warm-up needs, and the vocabulary fits 433 thousand pairs.
The texts are those of a folder ``canlaw_enfr`` with train, valid and test, which is named with --data.
"""

from dataclasses import replace
from functools import partial

from litetransformer import Data, Vocabulary
from litetransformer.recipes import _base as little
from litetransformer.recipes._base import falling, pre_norm
from litetransformer.recipes._family import Family, paper_and_plus
from litetransformer.recipes.wmt14_en_fr import _base as wmt

lite, transformer = pre_norm(wmt.lite), pre_norm(wmt.transformer)

TRAINING = falling(little.TRAINING, updates=5000, batch_tokens=32_768, longest=250, peak=3e-3)
base = partial(
    wmt.base,
    data=Data(name="canlaw-en-fr", source_language="en", target_language="fr"),
    vocabulary=Vocabulary(size=8000),
    train=TRAINING,
)
family = Family(
    title="Canadian law En-Fr",
    base=base,
    sizes={
        "90M": {
            "transformer-128": transformer(128, 512, dropout=0.04, attention_dropout=0.03),
            "lite-200": lite(200, dropout=0.04, attention_dropout=0.03, weight_dropout=0.03),
        },
        "360M": {
            "transformer-256": transformer(256, 1024, dropout=0.08, attention_dropout=0.07),
            "lite-408": lite(408, dropout=0.08, attention_dropout=0.07, weight_dropout=0.07),
        },
        "527M": {
            "transformer-320": transformer(320, 1280, dropout=0.1, attention_dropout=0.08),
            "lite-496": lite(496, dropout=0.1, attention_dropout=0.08, weight_dropout=0.08),
        },
        "1338M": {"transformer-512": transformer(512, 2048, dropout=0.1, attention_dropout=0.08)},
    },
    variants=paper_and_plus(
        "lite-200",
        paper=(
            wmt.lite(200, dropout=0.04, attention_dropout=0.03, weight_dropout=0.03),
            replace(
                wmt.TRAINING,
                batch_tokens=8192,
                accumulate=1,
                save_every=0,
                validate_every=1000,
                precision="auto",
            ),
        ),
        like="""Norms, dropout, optimiser, schedule, updates and the choice of the weights are those for
WMT'14 En-Fr (PAPER §3). An update has 8,192 tokens instead of 524 thousand, so 50,000 are some 25 epochs of
this text, about as many as there; with the paper's they would be 1,700.""",
        beside={"transformer-128": wmt.transformer(128, 512, dropout=0.04, attention_dropout=0.03)},
        plus=(
            lite(200, dropout=0.04, attention_dropout=0.03, weight_dropout=0.03),
            falling(TRAINING, updates=12_500, batch_tokens=32_768, peak=3e-3),
        ),
    ),
    data="--data FOLDER",
)
