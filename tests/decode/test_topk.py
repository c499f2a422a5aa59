import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from litetransformer.core.errors import InputError
from litetransformer.decode.topk import BLOCK, fetch, ordered_topk

LEVELS = (-math.inf, -2.0, -1.0, -0.0, 0.0, 1.5, 2.0)


def stable(values, k):
    ordered = values.sort(dim=1, descending=True, stable=True)
    return ordered.values[:, :k], ordered.indices[:, :k]


@given(
    rows=st.integers(0, 4),
    columns=st.one_of(st.integers(1, 9), st.integers(1, 7 * BLOCK)),
    k=st.integers(1, 12),
    levels=st.integers(1, len(LEVELS)),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=300, deadline=None)
def test_equal_values_come_in_the_order_of_their_columns(rows, columns, k, levels, seed):
    chosen = torch.randint(levels, (rows, columns), generator=torch.Generator().manual_seed(seed))
    values = torch.tensor(LEVELS)[chosen]
    for found, expected in zip(ordered_topk(values, k), stable(values, k), strict=True):
        assert torch.equal(found, expected)


@pytest.mark.parametrize("k", [1, 5, 9, 100, 1000, 5000])
def test_any_k_of_a_whole_vocabulary(k):
    values = torch.randn(3, 1000).log_softmax(1)
    values[1] = -math.inf
    values[2] = values[2].mul(4).round().div(4)
    for found, expected in zip(ordered_topk(values, k), stable(values, k), strict=True):
        assert torch.equal(found, expected)


def test_neighbouring_floats_of_every_size_and_sign_are_told_apart():
    positive = torch.tensor([1e-45, 1e-38, 1e-3, 1.0, 3e38])
    values = torch.cat([positive, positive.nextafter(torch.tensor(math.inf)), -positive, torch.zeros(1)])[
        None
    ]
    assert torch.equal(ordered_topk(values, 16)[1], stable(values, 16)[1])


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_nan_is_found_first_and_refused(sign):
    values = torch.zeros(2, 1000)
    values[1, 777] = math.copysign(math.nan, sign)
    found, columns = ordered_topk(values, 2)
    assert columns[1, 0] == 777
    with pytest.raises(InputError, match="NaN"):
        fetch(found, columns)


def test_fetched_values_are_the_same_bits():
    values, columns = torch.tensor([[-1e-45, -math.inf, 0.1]]), torch.tensor([[0, 7, 250_000]])
    fetched = fetch(values, columns)
    assert torch.equal(fetched[0], values)
    assert torch.equal(fetched[1], columns)
