"""The Triton lookup and its table's gradient equal the reference, whatever runs of equal tokens there are.

On a GPU as they are, elsewhere under Triton's interpreter, which runs in fp32.
"""

import pytest
import torch
from interpreter import DEVICE, interpret, interpreted

from litetransformer.ops.dispatch import use
from litetransformer.ops.embedding import embedding
from litetransformer.ops.embedding import reference as plain
from litetransformer.ops.gradients import Collector, collecting

with interpreted():
    from litetransformer.ops.embedding import triton_ops


@pytest.fixture(autouse=True)
def _interpreter(monkeypatch):
    interpret(monkeypatch)


def by_triton(*inputs):
    with use(embedding, "triton"):
        return embedding(*inputs)


def tokens_of(kind, rows, length, size):
    draw = torch.Generator().manual_seed(rows)
    if kind == "all the same":
        return torch.full((rows, length), 3, device=DEVICE)
    if kind == "each once":
        return torch.randperm(size, generator=draw)[: rows * length].view(rows, length).to(DEVICE)
    # A few tokens are most of a text.
    often = torch.randint(5, (rows, length), generator=draw)
    seldom = torch.randint(size, (rows, length), generator=draw)
    return torch.where(torch.rand(rows, length, generator=draw) < 0.6, often, seldom).to(DEVICE)


@pytest.mark.parametrize("kind", ["as in a text", "all the same", "each once"])
@pytest.mark.parametrize(
    ("rows", "length", "size", "dim"), [(1, 1, 7, 6), (3, 5, 40, 7), (4, 50, 211, 20), (20, 31, 40_000, 130)]
)
@pytest.mark.parametrize("of_each_row", [True, False])
def test_vectors_and_gradients_are_the_references(kind, rows, length, size, dim, of_each_row, monkeypatch):
    monkeypatch.setattr(triton_ops, "RUN", 16)
    tokens = tokens_of(kind, rows, length, size)
    positions = torch.arange(length, device=DEVICE)
    if of_each_row:
        positions = (positions + torch.arange(rows, device=DEVICE)[:, None]) % length
    table = torch.randn(size, dim, device=DEVICE).requires_grad_()
    found, expected = by_triton(tokens, table, positions), plain(tokens, table, positions)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    upstream = torch.randn_like(found)
    pair = (torch.autograd.grad(out, table, upstream)[0] for out in (found, expected))
    torch.testing.assert_close(*pair, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("wrong", [-1, 40, 30_000, 2**40])
def test_a_token_that_is_not_in_the_table_becomes_nan_and_touches_nothing_else(wrong):
    tokens = torch.randint(40, (4, 50), device=DEVICE)
    tokens[2, 7] = wrong
    # What lies beside the table in memory is neither read nor written.
    whole = torch.randn(120, 20, device=DEVICE)
    table = whole[40:80].requires_grad_()
    out = by_triton(tokens, table, torch.arange(50, device=DEVICE))
    bad = out.isnan()
    assert bad[2, 7].all()
    assert bad.sum() == 20
    gradient = torch.zeros(120, 20, device=DEVICE)
    triton_ops.add_runs(torch.ones_like(out), tokens, None, 0.0, gradient[40:80])
    assert not gradient[:40].any()
    assert not gradient[80:].any()


def test_what_is_dropped_is_dropped_from_the_gradient():
    tokens = tokens_of("as in a text", 9, 30, 50)
    table = torch.randn(50, 24, device=DEVICE).requires_grad_()
    inputs = tokens, table, torch.arange(30, device=DEVICE)
    whole, found = plain(*inputs), by_triton(*inputs, 0.25)
    kept = found != 0
    torch.testing.assert_close(found, whole * kept / 0.75, rtol=1e-4, atol=1e-4)
    assert kept.float().mean().item() == pytest.approx(0.75, abs=0.03)
    upstream = torch.randn_like(found)
    (slope,) = torch.autograd.grad(found, table, upstream)
    (expected,) = torch.autograd.grad(plain(*inputs), table, upstream * kept / 0.75)
    torch.testing.assert_close(slope, expected, rtol=1e-4, atol=1e-4)


def test_a_collected_gradient_is_added_in_its_place():
    tokens = tokens_of("as in a text", 4, 9, 50)
    positions = torch.arange(9, device=DEVICE)
    table = torch.randn(50, 24, device=DEVICE).requires_grad_()
    gradient, into = torch.ones(7 + table.numel() + 5, device=DEVICE), Collector()
    into.watch([(7, table)])
    with collecting(into):
        found = by_triton(tokens, table, positions)
    with into.adding_to(gradient):
        (none,) = torch.autograd.grad(found.sum(), [table], allow_unused=True)
    (expected,) = torch.autograd.grad(plain(tokens, table, positions).sum(), table)
    assert none is None
    torch.testing.assert_close(gradient[7:-5].view_as(table), expected + 1, rtol=1e-4, atol=1e-4)
    assert (gradient[:7] == 1).all()
    assert (gradient[-5:] == 1).all()
