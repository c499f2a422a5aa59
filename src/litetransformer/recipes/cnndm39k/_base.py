"""What the recipes for 39 thousand articles of CNN/DailyMail share: the paper's settings, half as wide.

The subset is not a random one, and scores on it are not those of the set. It is named by its texts: articles
of at most 400 words in one file, a line each, the highlights in another. An article has 454 tokens in the
mean and its highlights 58: at these lengths the models are compared.
"""

from functools import partial

from litetransformer import SearchOptions
from litetransformer.recipes import _base as little
from litetransformer.recipes._base import falling, pre_norm
from litetransformer.recipes.cnndm import _base as whole

lite, transformer = pre_norm(whole.lite), pre_norm(whole.transformer)

base = partial(
    little.summaries,
    train=falling(little.SUMMARIES, updates=6000, batch_tokens=32_768, peak=2e-3),
    search=SearchOptions(beam=4, length_penalty=2.0, shortest=55, longest=140, no_repeat_ngram=3),
)
