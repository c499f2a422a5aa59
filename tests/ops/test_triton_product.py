"""Linear layers whose rows don't begin at multiples of 16 bytes: their kernel equals the reference.

On a GPU in both types of two bytes, elsewhere under Triton's interpreter, whose products of bf16 are wrong.
"""

import pytest
import torch
from interpreter import DEVICE, interpret, interpreted
from torch._subclasses import FakeTensorMode

from litetransformer.layers.linear import projection
from litetransformer.ops.dispatch import use
from litetransformer.ops.gradients import Collector, collecting
from litetransformer.ops.linear import linear
from litetransformer.ops.linear import reference as plain

ON_GPU = pytest.mark.skipif(DEVICE == "cpu", reason="the interpreter compiles and records nothing")


with interpreted():
    from litetransformer.ops.linear import triton_ops, triton_product
    from litetransformer.ops.triton_memory import even

# The thread of backward greets cuBLAS first.
pytestmark = pytest.mark.filterwarnings("ignore:Attempting to run cuBLAS")
HALVES = [torch.float16] + [torch.bfloat16] * (DEVICE == "cuda")
TOLERANCES = {torch.float16: 2e-3, torch.bfloat16: 2e-2}


@pytest.fixture(autouse=True)
def _interpreter(monkeypatch):
    interpret(monkeypatch)


@pytest.fixture
def made(monkeypatch):
    """The sizes of the kernel's products: rows, channels in and out."""
    found, product = [], triton_product.product

    def spy(left, right, *others):
        found.append((*left.shape, right.shape[1]))
        return product(left, right, *others)

    monkeypatch.setattr(triton_product, "product", spy)
    return found


def randn(*shape, dtype=torch.float16):
    return torch.randn(shape, device=DEVICE, dtype=dtype).requires_grad_()


def by_triton(*inputs):
    with use(linear, "triton"):
        return linear(*inputs)


def compare(function, reference, inputs, upstream=None):
    """Output and gradients of `function` beside the reference's in float64."""
    found = function(*inputs)
    upstream = torch.randn(found.shape, device=DEVICE).to(found.dtype) if upstream is None else upstream
    exact = [tensor.detach().double().requires_grad_() for tensor in inputs]
    expected = reference(*exact)
    pairs = [(found, expected)]
    pairs += zip(
        torch.autograd.grad(found, inputs, upstream),
        torch.autograd.grad(expected, exact, upstream.double()),
        strict=True,
    )
    for one, other in pairs:
        assert one.dtype == inputs[0].dtype
        distance = (one.double() - other).detach().norm() / other.detach().norm().clamp_min(1e-9)
        assert distance.item() < TOLERANCES[inputs[0].dtype]


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize(("biased", "relu"), [(True, False), (True, True), (False, False), (False, True)])
@pytest.mark.parametrize("rows", [1, 33, 130])
@pytest.mark.parametrize(("width", "out"), [(100, 300), (124, 100), (100, 12), (7, 20), (16, 7)])
def test_products_are_the_references(width, out, rows, biased, relu, dtype, made):
    inputs = [randn(rows, width, dtype=dtype), randn(out, width, dtype=dtype)]
    inputs += [randn(out, dtype=dtype)] * biased

    def over(function):
        return lambda x, weight, bias=None: function(x, weight, bias, relu)

    compare(over(by_triton), over(plain), inputs)
    assert made == [(rows, width, out), (rows, out, width)]


@pytest.mark.parametrize("begin", [0, 100, 6, 3])
def test_a_slice_of_channels_is_read_where_it_lies(begin, made):
    inputs = [randn(3, 11, 200), randn(36, 100), randn(72)]

    def over(function):
        return lambda x, weight, bias: function(x[..., begin : begin + 100], weight, bias[::2])

    compare(over(by_triton), over(plain), inputs)
    assert made == [(33, 100, 36), (33, 36, 100)]


def test_rows_of_uneven_length_make_even_widths_uneven(made):
    inputs = [randn(5, 20), randn(24, 16), randn(24)]
    compare(lambda x, *others: by_triton(x[:, :16], *others), lambda x, *o: plain(x[:, :16], *o), inputs)
    # What comes from above is even.
    assert made == [(5, 16, 24)]


@pytest.mark.parametrize("how", ["expanded", "across", "a slice"])
def test_a_gradient_from_above_may_lie_in_any_way(how):
    inputs = [randn(33, 20), randn(12, 20), randn(12)]
    upstream = {
        "expanded": torch.randn(12, device=DEVICE).half().expand(33, -1),
        "across": torch.randn(12, 33, device=DEVICE).half().t(),
        "a slice": torch.randn(33, 31, device=DEVICE).half()[:, 5:17],
    }[how]
    compare(by_triton, plain, inputs, upstream)


@pytest.mark.parametrize(
    ("dtype", "width", "out"),
    [(torch.float32, 100, 12), (torch.float16, 16, 24), (torch.float16, 12, 520), (torch.float16, 513, 8)],
)
def test_what_is_even_or_wide_or_fp32_is_left_to_cublas(dtype, width, out, made):
    inputs = [randn(3, width, dtype=dtype), randn(out, width, dtype=dtype), randn(out, dtype=dtype)]
    by_triton(*inputs).sum().backward()
    assert not made
    with pytest.raises(ValueError, match=rf"without a bias .* not {dtype} from {width} to {out}"):
        by_triton(*inputs[:2])


@pytest.mark.parametrize("biased", [False, True])
def test_without_rows_there_is_nothing_for_a_kernel(biased):
    with pytest.raises(ValueError, match="at least one row"):
        by_triton(randn(2, 0, 12), randn(20, 12), *[randn(20)] * biased)


def test_under_autocast_its_type_counts(made):
    inputs = [randn(3, 12, dtype=torch.float32), randn(20, 12, dtype=torch.float32)]
    with torch.autocast(DEVICE, torch.float16):
        found = by_triton(*inputs)
    assert found.dtype == torch.float16
    assert made == [(3, 12, 20)]


def test_what_is_no_number_stays_so_through_the_relu():
    x = torch.full((3, 12), torch.nan, device=DEVICE, dtype=torch.float16)
    assert by_triton(x, randn(20, 12), randn(20), True).isnan().all()


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("biased", [False, True])
def test_the_gradient_of_a_weight_is_collected(biased, relu):
    x = randn(150, 20)
    layer = projection(20, 12, bias=biased).half().to(DEVICE)
    expected = torch.autograd.grad(
        plain(x, layer.weight, layer.bias, relu).square().sum(), layer.parameters()
    )
    into, length = Collector(), sum(weight.numel() for weight in layer.parameters())
    gradient = torch.zeros(7 + length, device=DEVICE)
    into.watch(zip([7, 7 + 12 * 20], layer.parameters(), strict=False))
    for _ in range(2):
        with use(linear, "triton"), collecting(into):
            loss = layer(x, relu).square().sum()
            with into.adding_to(gradient):
                found = torch.autograd.grad(loss, list(layer.parameters()), allow_unused=True)
                # Nothing is made of it before the end.
                assert (len(into.products), into.sums) == (1, [])
        assert found == (None,) * (1 + biased)
    wanted = 2 * torch.cat([one.flatten() for one in expected]).float()
    assert not gradient[:7].any()
    assert (gradient[7:] - wanted).norm() < 4e-3 * wanted.norm()


@pytest.mark.parametrize("size", [1, 3, 8, 200])
def test_a_weight_too_large_for_one_kernel_has_its_gradient(size, monkeypatch):
    monkeypatch.setattr(triton_ops, "SMALL", 100)
    compare(by_triton, plain, [randn(size, 20), randn(12, 20)])


def test_loads_are_as_wide_as_addresses_and_rows_allow():
    x = torch.zeros(4, 200, dtype=torch.bfloat16)
    assert [even(part) for part in (x, x[:, 100:], x[:, 6:], x[:, 3:], x[:, :100].contiguous())] == [
        8,
        4,
        2,
        1,
        4,
    ]
    assert even(torch.zeros(4, 100)) == 4
    with FakeTensorMode():
        assert even(torch.zeros(4, 200, dtype=torch.bfloat16)[:, 100:]) == 4


@pytest.mark.gpu
@ON_GPU
def test_one_kernel_serves_all_numbers_of_rows():
    def run(rows):
        by_triton(randn(rows, 52), randn(44, 52), randn(44)).sum().backward()
        return len(triton_product.multiply_rows.device_caches[torch.cuda.current_device()][0])

    first = run(16)
    assert [run(rows) for rows in (1, 33, 160, 1000)] == [first] * 4


@pytest.mark.gpu
@ON_GPU
def test_a_recorded_product_reads_what_is_there_at_its_replay():
    x, weight, bias = randn(150, 100).detach(), randn(300, 100), randn(300)
    by_triton(x, weight, bias)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        found = by_triton(x, weight, bias)
    x.normal_()
    graph.replay()
    torch.testing.assert_close(found, plain(x, weight, bias), atol=2e-2, rtol=2e-3)
