"""Gradients that are collected and made at the end equal those that autograd finds on its way.

On a GPU as they are, elsewhere under Triton's interpreter, which runs in fp32.
"""

import pytest
import torch
from interpreter import DEVICE, interpret, interpreted

from litetransformer.layers.linear import LayerNorm, Linear, project
from litetransformer.ops.dispatch import use
from litetransformer.ops.gradients import Collector, Product, Sum, collecting
from litetransformer.ops.layer_norm import layer_norm
from litetransformer.ops.linear import linear

with interpreted():
    from litetransformer.ops.gradients import triton_ops

# The thread of backward greets cuBLAS first.
pytestmark = pytest.mark.filterwarnings("ignore:Attempting to run cuBLAS")


@pytest.fixture(autouse=True)
def _interpreter(monkeypatch):
    interpret(monkeypatch)


class Net(torch.nn.Module):
    """Layers of several shapes: two in one product, one used twice, one on a half of the channels."""

    def __init__(self, width):
        super().__init__()
        self.query, self.key = Linear(width, width), Linear(width, width)
        self.part, self.norm = Linear(width // 2, width), LayerNorm(width)
        self.twice, self.out = Linear(width, width), Linear(width, 3)

    def forward(self, x):
        query, key = project(x, [self.query, self.key])
        x = self.norm(query * key, x) + self.part(x[..., : x.shape[-1] // 2])
        return self.out(self.twice(self.twice(x, relu=True)))


def flattened(net, dtype, order):
    """The gradient, the copies that `net` is called with, and their places; parameters in `order`."""
    named = sorted(net.named_parameters(), key=order)
    sizes = [parameter.numel() for _, parameter in named]
    flat = torch.cat([parameter.detach().flatten() for _, parameter in named]).to(dtype)
    copies = {
        name: part.view(parameter.shape).requires_grad_()
        for part, (name, parameter) in zip(flat.split(sizes), named, strict=True)
    }
    begins = torch.tensor([0, *sizes[:-1]]).cumsum(0).tolist()
    return torch.zeros(sum(sizes), device=DEVICE), copies, begins


def weights_first(pair):
    return pair[1].ndim == 1


def as_named(_):
    return 0


@pytest.mark.parametrize("order", [weights_first, as_named])
@pytest.mark.parametrize(("width", "rows", "wide"), [(20, 37, 1 << 17), (36, 300, 36 * 36), (80, 5, 100)])
def test_collected_gradients_are_autograds(width, rows, wide, order, monkeypatch):
    torch.manual_seed(width)
    # Several shares of the rows, narrow sums and wide ones.
    monkeypatch.setattr(triton_ops, "STEP", 1)
    monkeypatch.setattr(triton_ops, "TALL", 4)
    monkeypatch.setattr(triton_ops, "WIDE", wide)
    net, x = Net(width).to(DEVICE), torch.randn(rows, width, device=DEVICE)
    upstream = torch.randn(rows, 3, device=DEVICE)
    expected = torch.autograd.grad(net(x), list(net.parameters()), upstream)
    gradient, copies, begins = flattened(net, torch.float32, order)
    into = Collector()
    for _ in range(2):
        with use(linear, "triton"), use(layer_norm, "triton"), collecting(into):
            into.watch(zip(begins, copies.values(), strict=True))
            out = torch.func.functional_call(net, copies, (x,))
            with into.adding_to(gradient):
                found = torch.autograd.grad(out, list(copies.values()), upstream, allow_unused=True)
        # Weights that are no neighbours come back as ever.
        assert sum(one is not None for one in found) == (0 if order is weights_first else 4)
        for begin, one in zip(begins, found, strict=True):
            if one is not None:
                gradient[begin : begin + one.numel()] += one.flatten()
    assert not gradient.requires_grad
    for (name, parameter), one in zip(net.named_parameters(), expected, strict=True):
        begin = begins[list(copies).index(name)]
        other = gradient[begin : begin + parameter.numel()].view(parameter.shape)
        torch.testing.assert_close(other, 2 * one, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("tile", [64, 128])
@pytest.mark.parametrize(("rows", "width", "depth"), [(1100, 140, 80), (130, 30, 140)])
def test_products_in_half_precision_by_tiles_of_several_sizes(rows, width, depth, tile, monkeypatch):
    monkeypatch.setattr(triton_ops, "TILE", tile)
    monkeypatch.setattr(triton_ops, "PER_MULTIPROCESSOR", 64)
    upstream, x = (torch.randn(2, rows, wide, device=DEVICE).half() for wide in (width, 2 * depth))
    gradient, size = torch.zeros(2 * (width * depth + width), device=DEVICE), width * depth
    # Both of one launch, the one with half the rows.
    products = [
        Product(upstream[0], x[0, :, depth:], 0, size),
        Product(upstream[1, : rows // 2], x[1, : rows // 2, depth:], size + width, 2 * size + width),
    ]
    (group,) = triton_ops._groups(products)
    assert max(triton_ops._tile(group)[:2]) == tile
    # Many rows are shared among programs.
    assert (triton_ops._partial(group).shape[1] > 1) == (rows == 1100)
    triton_ops.add(products, [], gradient, Collector().table)
    for product in products:
        exact = product.upstream.double().t() @ product.x.double()
        total = product.upstream.double().sum(0)
        found = gradient[product.weight :][:size].view(width, depth).double()
        torch.testing.assert_close(found, exact, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(gradient[product.bias :][:width].double(), total, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("wide", [1 << 17, 1])
def test_a_layer_without_a_bias_is_made_with_the_others_of_its_shape(wide, monkeypatch):
    monkeypatch.setattr(triton_ops, "WIDE", wide)
    upstream, x = torch.randn(2, 70, 12, device=DEVICE), torch.randn(2, 70, 20, device=DEVICE)
    products = [Product(upstream[0], x[0], 0), Product(upstream[1], x[1], 240, 480)]
    assert [len(group) for group in triton_ops._groups(products)] == [2]
    gradient = torch.zeros(2 * 240 + 2 * 12, device=DEVICE)
    triton_ops.add(products, [], gradient, Collector().table)
    weights = [one.t() @ other for one, other in zip(upstream, x, strict=True)]
    # The last twelve are of neither.
    expected = [*weights, upstream[1].sum(0), torch.zeros(12, device=DEVICE)]
    expected = torch.cat([part.flatten() for part in expected])
    torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-4)


def test_rows_that_are_read_in_pieces_of_another_length_are_of_another_launch():
    upstream, x = torch.zeros(70, 12, device=DEVICE), torch.zeros(70, 24, device=DEVICE)
    products = [Product(upstream, x[:, begin : begin + 20], 240 * begin) for begin in (0, 4, 1, 2)]
    assert [len(group) for group in triton_ops._groups(products)] == [2, 1, 1]


def test_weights_side_by_side_are_joined_without_a_copy():
    net = Net(16).to(DEVICE)
    _, copies, begins = flattened(net, torch.float32, weights_first)
    into = Collector()
    into.watch(zip(begins, copies.values(), strict=True))
    query, key, part = (copies[f"{name}.weight"] for name in ("query", "key", "part"))
    assert into.neighbours([query, key])
    assert not into.neighbours([key, query])
    assert not into.neighbours([query, part])
    assert not into.neighbours([query, torch.randn(16, 16, device=DEVICE)])


def test_only_a_weight_itself_has_a_place():
    weight = torch.randn(4, 4, device=DEVICE).requires_grad_()
    into = Collector()
    into.watch([(0, weight)])
    assert into.place(weight) == 0
    assert into.place(weight.detach()) is None
    assert into.place(weight.t()) is None


def test_sums_for_places_that_meet_are_not_made_at_once():
    rows = torch.ones(3, 8, device=DEVICE)
    sums = [Sum(rows, 0, 8, 0), Sum(rows, 0, 4, 6), Sum(rows, 4, 4, 8), Sum(rows, 0, 4, 6)]
    launches = [[one.place for one in some] for _, some in triton_ops._launches(sums)]
    assert sorted(launches) == [[0], [6], [6], [8]]
    gradient = torch.zeros(12, device=DEVICE)
    triton_ops.add([], sums, gradient, Collector().table)
    expected = [3.0] * 6 + [9.0] * 2 + [9.0] * 2 + [3.0] * 2
    torch.testing.assert_close(gradient.cpu(), torch.tensor(expected))


def test_an_error_in_backward_leaves_nothing_behind():
    into = Collector()

    def fail():
        with into.adding_to(torch.zeros(3)):
            into.products.append("of a layer")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert not into.products


def test_a_gradient_that_is_not_left_to_the_collector_reaches_joined_weights():
    net, x = Net(16).to(DEVICE), torch.randn(4, 16, device=DEVICE)
    gradient, copies, begins = flattened(net, torch.float32, weights_first)
    into = Collector()
    with use(linear, "reference"), use(layer_norm, "reference"), collecting(into):
        into.watch(zip(begins, copies.values(), strict=True))
        out = torch.func.functional_call(net, copies, (x,)).sum()
        with into.adding_to(gradient):
            found = torch.autograd.grad(out, list(copies.values()), allow_unused=True)
    slopes = torch.autograd.grad(net(x).sum(), [net.get_parameter(name) for name in copies])
    expected = dict(zip(copies, slopes, strict=True))
    for name, one in zip(copies, found, strict=True):
        torch.testing.assert_close(one, expected[name], rtol=1e-4, atol=1e-4)
    assert not gradient.any()


def test_what_was_noted_and_not_added_is_forgotten():
    into = Collector()
    into.products.append("of a loss whose gradient was never asked for")
    into.watch([])
    gradient = torch.zeros(3)
    with into.adding_to(gradient):
        pass
    assert not gradient.any()
