import pytest
import torch

from litetransformer.decode.beam import beam_search
from litetransformer.decode.ensemble import Ensemble


def test_an_ensemble_searches_the_mean_of_the_probabilities(memoryless, sentences):
    first, second = (
        [[0.0, 0.2, 0.2, 0.6], [0.0, 0.9, 0.05, 0.05]],
        [[0.0, 0.6, 0.4, 0.0], [0.0, 0.5, 0.0, 0.5]],
    )
    mean = (torch.tensor(first) + torch.tensor(second)) / 2
    ((expected,),) = beam_search(memoryless(mean.tolist()), *sentences(1))
    ((found,),) = beam_search(Ensemble([memoryless(first), memoryless(second)]), *sentences(1))
    assert found.tokens == expected.tokens
    assert found.log_probs == pytest.approx(expected.log_probs, abs=1e-6)


def test_an_ensemble_of_one_is_that_one(memoryless, sentences):
    model = memoryless([[0.1, 0.2, 0.3, 0.4], [0.1, 0.6, 0.1, 0.2]])
    assert beam_search(Ensemble([model]), *sentences(3)) == beam_search(model, *sentences(3))


@pytest.mark.parametrize("widths", [(), (3, 4)])
def test_members_share_one_vocabulary(memoryless, widths):
    with pytest.raises(ValueError, match="an ensemble needs"):
        Ensemble([memoryless([[1 / width] * width]) for width in widths])
