"""What the recipes for Multi30k share: pre-norm, a high rate that falls to zero, and 45 epochs."""

from dataclasses import replace
from functools import partial

from litetransformer import Data
from litetransformer.recipes import _base as little
from litetransformer.recipes._base import falling, pre_norm
from litetransformer.recipes._family import Family, five_systems, paper_and_plus
from litetransformer.recipes.iwslt14_de_en import _base as iwslt

# Chosen for Lite 160 and Transformer 120 by validation BLEU (docs/log.md); the others follow the nearer one.
lite = pre_norm(partial(little.lite, dropout=0.3))
transformer = pre_norm(partial(little.transformer, dropout=0.2))
lightconv = pre_norm(partial(little.lightconv, dropout=0.3))
evolved = pre_norm(partial(little.evolved, dropout=0.3))

TRAINING = falling(little.TRAINING, updates=3500, batch_tokens=8192, longest=128, peak=5e-3)
# Smaller updates, and fewer epochs, for two CPU cores.
LAPTOP = falling(TRAINING, updates=4000, batch_tokens=2048, peak=5e-3)
base = partial(
    little.base,
    data=Data(name="multi30k-de-en", source_language="de", target_language="en"),
    train=TRAINING,
)
family = Family(
    title="Multi30k De-En",
    base=base,
    sizes=five_systems(lite=lite, transformer=transformer, lightconv=lightconv, evolved=evolved),
    variants=paper_and_plus(
        "lite-160",
        paper=(little.lite(160), replace(iwslt.TRAINING, longest=128, validate_every=1000, precision="auto")),
        like="""Norms, dropout, optimiser, schedule, updates and the average of ten epochs are those for
IWSLT'14 (PAPER §3). On a set of this size 50,000 updates are some 340 epochs.""",
        beside={"transformer-120": little.transformer(120, 222)},
        plus=(
            lite(160),
            replace(
                falling(TRAINING, updates=12_500, batch_tokens=8192, peak=5e-3, validate_every=1000),
                # Of 1 and 2.5, by validation BLEU from English to German (docs/log.md).
                consistency=1.0,
            ),
        ),
    ),
    teacher="lite-320",
    # At 5e-3 models as wide as these did badly, above all the Transformer (docs/log.md). Not tuned yet.
    peaks={"210M": 2.5e-3},
)
