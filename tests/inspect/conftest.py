"""The maps of a sentence whose tokens look like markup, formulas and broken text."""

import pytest
import torch

from litetransformer.inspect.maps import Maps
from litetransformer.inspect.mixing import sentence_mixings
from litetransformer.models.presets import lite

SOURCE = [" Hund", "$x^2$", "</script><b>", "\x07\u2028", "日本", "</s>"]
WRITTEN = [" dog", "-->", "&amp;", "</s>"]


@pytest.fixture
def maps():
    torch.manual_seed(5)
    model = lite(16, taps=(3, 5)).build(20, 20)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    found = sentence_mixings(model, [5, 6, 7, 8, 9], [3, 4, 5])
    return Maps.of(found, source=SOURCE, read=[WRITTEN[-1], *WRITTEN[:-1]], written=WRITTEN)
