"""Named data sets: where each one comes from, what it consists of, and how to have it here.

Nothing is downloaded unless asked for. A set is a number of files at its home and, for each split, the parts
that it is put together from, as plain text, one text a line.
"""

import os
from collections.abc import Callable
from pathlib import Path

from litetransformer.core.errors import InputError, nearest
from litetransformer.data.assemble import Dataset, Part, assemble
from litetransformer.data.corpus import TextPairs
from litetransformer.data.download import Remote, check, download

_WMT = "https://huggingface.co/datasets/wmt"
_MULTI30K = "https://raw.githubusercontent.com/multi30k/dataset/master/data/task1/raw"
_CNNDM = "https://huggingface.co/datasets/abisee/cnn_dailymail/resolve/main/3.0.0"

_EUROPARL = Remote(
    f"{_WMT}/wmt13/resolve/main-zip/training-parallel-europarl-v7.zip",
    "5b2d8b32c2396da739b4e731871c597fcc6e75729becd74619d0712eecf7770e",
)
_COMMONCRAWL = Remote(
    f"{_WMT}/wmt13/resolve/main-zip/training-parallel-commoncrawl.zip",
    "5ffe980072ea29adfd84568d099bea366d9f72772b988e670794ae851b4e5627",
)
_UN = Remote(
    f"{_WMT}/wmt13/resolve/main-zip/training-parallel-un.zip",
    "74f07002e053c81bc7f73b4fdab58e7987e831338748f264cbda82a8b062d2e2",
)
_NEWS_9 = Remote(
    f"{_WMT}/wmt14/resolve/main-zip/training-parallel-nc-v9.zip",
    "ce199f93ec56ff480137ba29f0819f9a22e70d88be6d7458f112303d67d623d5",
)
_NEWS_11 = Remote(
    f"{_WMT}/wmt16/resolve/main-zip/translation-task/training-parallel-nc-v11.zip",
    "8e8b063120c37511a6207b7a4bda9a981efc7df7e1e3c319cfaba774a762af34",
)
_GIGA = Remote(
    f"{_WMT}/wmt10/resolve/main-zip/training-giga-fren.zip",
    "9439f86523e5dff3f923526dbf6c6929da1786c18dbf64436d2b7564b83aaba3",
)
_WMT_TESTS = Remote(
    f"{_WMT}/wmt19/resolve/main-zip/translation-task/dev.zip",
    "d796e363740fdc4261aa6f5a3d2f8223e3adaee7d737b7724863325b8956dfd1",
)
