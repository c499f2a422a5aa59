"""When a sentence stops: not before something better can come, and no later than that."""

import math

import pytest

from litetransformer.decode.beam import beam_search
from litetransformer.decode.options import SearchOptions


@pytest.fixture
def searched(memoryless, sentences):
    """What a search finds for one sentence, and the steps that it took."""

    def search(probabilities, **options):
        steps = []

        class Counting(memoryless):
            def advance(self, tokens, state, memory):
                steps.append(len(tokens))
                return super().advance(tokens, state, memory)

        (found,) = beam_search(Counting(probabilities), *sentences(1), SearchOptions(**options))
        return found, len(steps)

    return search


EARLY_ENDS = [[0, 0.1, 0.05, 0.85], [0, 0.1, 0.05, 0.85], [0, 0.05, 0.05, 0.9], [0, 0.9, 0.05, 0.05]]


@pytest.mark.parametrize("beam", [2, 3, 4])
def test_poor_early_ends_do_not_crowd_out_a_better_later_one(searched, beam):
    ((found, *_), _) = searched(EARLY_ENDS, beam=beam)
    assert found.tokens == (3, 3, 3)
    assert found.score == pytest.approx(math.log(0.85 * 0.85 * 0.9 * 0.9) / 4)


def test_a_better_end_takes_the_place_of_the_worst_kept_one(searched):
    found, _ = searched(EARLY_ENDS, beam=2, n_best=2)
    assert [len(one.tokens) for one in found] == [3, 3]
    assert found[0].score > found[1].score > math.log(0.1) / 1


def test_a_beam_of_one_stops_at_its_first_end_whatever_could_come(searched):
    (found,), steps = searched([[0, 0.6, 0.0, 0.4], [0, 0.99, 0.0, 0.01]], beam=1)
    assert (found.tokens, steps) == ((), 1)


CERTAIN = [[0, 0.001, 0.001, 0.998]] * 3 + [[0, 0.998, 0.001, 0.001]] + [[0, 0.5, 0.25, 0.25]]


@pytest.mark.parametrize("beam", [1, 2, 4, 8])
def test_a_sentence_stops_once_nothing_that_is_asked_for_can_change(searched, beam):
    ((found,), steps) = searched(CERTAIN, beam=beam, longest=12)
    assert (found.tokens, steps) == ((3, 3, 3), 4)


def test_what_is_kept_beyond_the_best_may_need_more_steps_but_the_best_is_the_same(searched):
    one, few = searched(CERTAIN, beam=4, longest=12)
    all_kept, more = searched(CERTAIN, beam=4, n_best=4, longest=12)
    assert few < more < 12
    assert one == all_kept[:1]


def test_without_length_penalty_the_best_total_of_all_is_found(searched):
    """No total rises, so here stopping is exact: the search to the very end finds nothing better."""
    ((found,), steps) = searched(EARLY_ENDS, beam=3, length_penalty=0.0, longest=30)
    assert found.tokens == (3, 3, 3)
    assert found.score == pytest.approx(math.log(0.85 * 0.85 * 0.9 * 0.9))
    assert steps == 4
