"""What En-Fr has otherwise than En-De (PAPER §3): the text, its filter, and a shorter warm-up.

The paper's BLEU is that of Moses tokens, cased: ``lite score --mode paper-cased``.
"""

from dataclasses import replace
from functools import partial

from litetransformer import Cosine, Data, Vocabulary
from litetransformer.recipes.wmt16_en_de import _base as en_de
from litetransformer.recipes.wmt16_en_de._base import expect, lite, transformer

__all__ = ["TRAINING", "base", "expect", "lite", "transformer"]

TRAINING = replace(en_de.TRAINING, longest=250, schedule=Cosine(peak=1e-3, warmup=5_000, period=45_000))
base = partial(
    en_de.base,
    data=Data(name="wmt14-en-fr", source_language="en", target_language="fr", longest_ratio=1.5),
    vocabulary=Vocabulary(size=40_000),
    train=TRAINING,
    scoring="paper-cased",
)
