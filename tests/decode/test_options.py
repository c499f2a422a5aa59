import pytest

from litetransformer.core.errors import InputError
from litetransformer.core.override import override
from litetransformer.core.spec import from_json, to_json
from litetransformer.decode.options import SamplingOptions, SearchOptions


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (SearchOptions, {"beam": 0}),
        (SearchOptions, {"beam": 1001}),
        (SearchOptions, {"n_best": 5}),
        (SearchOptions, {"n_best": 0}),
        (SearchOptions, {"length_penalty": -0.1}),
        (SearchOptions, {"length_penalty": float("nan")}),
        (SearchOptions, {"shortest": -1}),
        (SearchOptions, {"shortest": 2000}),
        (SearchOptions, {"longest": 0}),
        (SearchOptions, {"longest_ratio": -1.0}),
        (SearchOptions, {"longest_ratio": float("inf")}),
        (SearchOptions, {"longest_extra": -1}),
        (SearchOptions, {"no_repeat_ngram": -1}),
        (SamplingOptions, {"temperature": 0.0}),
        (SamplingOptions, {"top_k": -1}),
        (SamplingOptions, {"top_p": 0.0}),
        (SamplingOptions, {"top_p": 1.1}),
        (SamplingOptions, {"samples": 0}),
        (SamplingOptions, {"samples": 10_001}),
        (SamplingOptions, {"longest": 0}),
    ],
)
def test_an_impossible_value_is_named_with_its_rule(kind, wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=rf"{name}={value} must .*;") as caught:
        kind(**wrong)
    assert "\n" not in str(caught.value)


def test_options_survive_json_and_take_overrides():
    options = override(SearchOptions(beam=5, n_best=2), ["length_penalty=0.6", "unknown=false"])
    assert from_json(to_json(options), SearchOptions) == options
    assert (options.length_penalty, options.unknown) == (0.6, False)
    with pytest.raises(InputError, match=r"^beam: beam=1000000 must .*;|^n_best"):
        override(options, ["n_best=9"])
