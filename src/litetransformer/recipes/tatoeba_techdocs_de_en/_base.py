"""What the recipes for Tatoeba and technical documents share: 221 thousand pairs, some twenty epochs.

The texts are those of two folders, ``tatoeba_deen`` and ``techdocs_deen``, each with train, valid and test.
The folder that holds both is named with --data.
"""

from dataclasses import replace
from functools import partial

from litetransformer import Data
from litetransformer.recipes import _base as little
from litetransformer.recipes._base import falling, pre_norm
from litetransformer.recipes._family import Family, five_systems, paper_and_plus
from litetransformer.recipes.iwslt14_de_en import _base as iwslt

lite = pre_norm(partial(little.lite, dropout=0.1))
transformer = pre_norm(partial(little.transformer, dropout=0.1))
lightconv = pre_norm(partial(little.lightconv, dropout=0.1))
evolved = pre_norm(partial(little.evolved, dropout=0.1))

TRAINING = falling(
    little.TRAINING, updates=5_000, batch_tokens=16_384, longest=256, peak=5e-3, validate_every=1000
)
base = partial(
    little.base,
    data=Data(name="tatoeba-techdocs-de-en", source_language="de", target_language="en"),
    train=TRAINING,
)
family = Family(
    title="Tatoeba and technical documents De-En",
    base=base,
    sizes=five_systems(lite=lite, transformer=transformer, lightconv=lightconv, evolved=evolved),
    variants=paper_and_plus(
        "lite-160",
        paper=(little.lite(160), replace(iwslt.TRAINING, longest=256, validate_every=1000, precision="auto")),
        like="""Norms, dropout, optimiser, schedule, updates and the average of ten epochs are those for
IWSLT'14 (PAPER §3), a set of about this size.""",
        beside={"transformer-120": little.transformer(120, 222)},
        plus=(
            lite(160),
            falling(TRAINING, updates=12_500, batch_tokens=16_384, peak=5e-3, validate_every=1000),
        ),
    ),
    teacher="lite-320",
    data="--data FOLDER",
)
