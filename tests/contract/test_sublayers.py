"""The contract of every sublayer, in float64. A new branch joins by one entry in `SUBLAYERS`."""

import json

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from litetransformer.core.spec import from_json, to_json
from litetransformer.layers.cross_attention import CrossAttention
from litetransformer.layers.feed_forward import FeedForward
from litetransformer.layers.residual import Residual
from litetransformer.layers.stack import Stack
from litetransformer.layers.sublayer import select, tree_map
from litetransformer.models import spec as specs

DIM, SOURCE = 24, 7
MIXERS = {
    "attention": specs.Attention(heads=4),
    "light_conv_3": specs.LightConv(heads=4, taps=3),
    "light_conv_glu": specs.LightConv(heads=2, taps=4, glu=True),
    "light_conv_31": specs.LightConv(heads=4, taps=31),
    "dynamic_conv_1": specs.DynamicConv(heads=4, taps=1),
    "dynamic_conv_7": specs.DynamicConv(heads=3, taps=7),
    "dynamic_conv_plain": specs.DynamicConv(heads=4, taps=15, glu=False),
    "lsra_light": specs.LongShort(specs.Attention(heads=4), specs.LightConv(heads=4, taps=7)),
    "lsra_dynamic": specs.LongShort(specs.Attention(heads=2), specs.DynamicConv(heads=4, taps=15)),
}
OTHERS = {
    "cross_attention": lambda: CrossAttention(DIM, heads=4),
    "feed_forward": lambda: FeedForward(DIM, hidden=40),
    "pre_norm": lambda: Residual(FeedForward(DIM, hidden=DIM), norm="pre"),
    "decoder_layers": lambda: Stack(
        *(
            specs.DecoderLayer(mix, specs.CrossAttention(4), specs.FeedForward(DIM)).build(
                DIM, dropout=0.1, norm=norm
            )
            for mix, norm in zip((MIXERS["lsra_light"], MIXERS["lsra_dynamic"]), ("post", "pre"), strict=True)
        )
    ),
}
CAUSAL = {name: (lambda spec=spec: spec.build(DIM, causal=True)) for name, spec in MIXERS.items()} | OTHERS
BOTH = {f"{name}_same": (lambda spec=spec: spec.build(DIM, causal=False)) for name, spec in MIXERS.items()}
SUBLAYERS = CAUSAL | BOTH

every = pytest.mark.parametrize("build", SUBLAYERS.values(), ids=SUBLAYERS.keys())
every_causal = pytest.mark.parametrize("build", CAUSAL.values(), ids=CAUSAL.keys())


def shaken(build):
    """A float64 sublayer, every parameter random: biases and norms start at 0 and 1, which hides bugs."""
    torch.manual_seed(1)
    sublayer = build().double().eval()
    with torch.no_grad():
        for parameter in sublayer.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return sublayer


def remembered(sublayer, batch=3, pad=None):
    return sublayer.remember(torch.randn(batch, SOURCE, DIM, dtype=torch.float64), pad)


@every
@pytest.mark.parametrize("length", [1, 2, 5, 40])
def test_the_shape_stays(build, length):
    sublayer = shaken(build)
    x = torch.randn(3, length, DIM, dtype=torch.float64)
    assert sublayer(x, None, remembered(sublayer)).shape == x.shape
    assert sublayer.dim == DIM


@every_causal
@pytest.mark.parametrize("length", [1, 2, 3, 8, 33])
def test_stepping_equals_the_whole_sequence(build, length):
    sublayer = shaken(build)
    x = torch.randn(3, length, DIM, dtype=torch.float64)
    memory = remembered(sublayer)
    state, outputs = sublayer.start(3), []
    for position in range(length):
        out, state = sublayer.step(x[:, position : position + 1], state, memory)
        outputs.append(out)
    torch.testing.assert_close(torch.cat(outputs, 1), sublayer(x, None, memory), rtol=0, atol=1e-12)


@every_causal
def test_no_position_sees_a_later_one(build):
    sublayer = shaken(build)
    x = torch.randn(1, 9, DIM, dtype=torch.float64, requires_grad=True)
    out = sublayer(x, None, remembered(sublayer, 1))
    for position in range(9):
        (gradient,) = torch.autograd.grad(out[0, position].sum(), x, retain_graph=True)
        assert not gradient[0, position + 1 :].any()
        assert gradient[0, position].any()


def padded_twin(build, side):
    """The real positions' outputs alone, and beside five positions of garbage that `pad` marks."""
    sublayer = shaken(build)
    x = torch.randn(2, 6, DIM, dtype=torch.float64)
    memory = remembered(sublayer, 2)
    garbage = torch.full((2, 5, DIM), 1e3, dtype=torch.float64)
    pad = torch.ones(2, 11, dtype=bool)
    real = slice(5, 11) if side == "left" else slice(0, 6)
    pad[:, real] = False
    longer = torch.cat([garbage, x] if side == "left" else [x, garbage], 1)
    return sublayer(x, None, memory), sublayer(longer, pad, memory)[:, real]


@every
def test_padding_on_the_right_reaches_no_real_position(build):
    alone, together = padded_twin(build, "right")
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-12)


@pytest.mark.parametrize("build", BOTH.values(), ids=BOTH.keys())
def test_padding_on_the_left_reaches_no_real_position(build):
    alone, together = padded_twin(build, "left")
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-12)


@every
def test_padding_in_the_source_reaches_nothing(build):
    sublayer = shaken(build)
    encoded = torch.randn(2, SOURCE, DIM, dtype=torch.float64)
    garbage = torch.full((2, 3, DIM), 1e3, dtype=torch.float64)
    pad = torch.zeros(2, SOURCE + 3, dtype=bool)
    pad[:, SOURCE:] = True
    x = torch.randn(2, 4, DIM, dtype=torch.float64)
    alone = sublayer(x, None, sublayer.remember(encoded, None))
    together = sublayer(x, None, sublayer.remember(torch.cat([encoded, garbage], 1), pad))
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-12)


@every
def test_rows_do_not_meet(build):
    sublayer = shaken(build)
    x, memory = torch.randn(3, 8, DIM, dtype=torch.float64), remembered(sublayer)
    whole = sublayer(x, None, memory)
    for row in range(3):
        one = sublayer(x[row : row + 1], None, select(memory, torch.tensor([row])))
        torch.testing.assert_close(one[0], whole[row], rtol=0, atol=1e-12)


@every_causal
def test_selecting_rows_commutes_with_stepping(build):
    sublayer = shaken(build)
    rows = torch.tensor([2, 0, 0, 1, 2])
    x, memory = torch.randn(3, 5, DIM, dtype=torch.float64), remembered(sublayer)
    state = sublayer.start(3)
    for position in range(4):
        _, state = sublayer.step(x[:, position : position + 1], state, memory)
    out, after = sublayer.step(x[:, 4:], state, memory)
    picked, picked_after = sublayer.step(x[rows, 4:], select(state, rows), select(memory, rows))
    torch.testing.assert_close(picked, out[rows], rtol=0, atol=1e-12)
    torch.testing.assert_close(picked_after, select(after, rows), rtol=0, atol=1e-12)


@every_causal
def test_a_step_changes_no_state(build):
    sublayer = shaken(build)
    x, memory = torch.randn(2, 3, DIM, dtype=torch.float64), remembered(sublayer, 2)
    _, state = sublayer.step(x[:, :1], sublayer.start(2), memory)
    before = tree_map(torch.clone, state)
    sublayer.step(x[:, 1:2], state, memory)
    torch.testing.assert_close(state, before, rtol=0, atol=0)


@every
@pytest.mark.parametrize("length", [5, 30])
def test_the_cost_formula_equals_a_counted_run(build, length):
    """Torch counts the matrix products; `taps` and the norms are not in its count."""
    from litetransformer.ops.attention import attention
    from litetransformer.ops.dispatch import use
    from litetransformer.ops.windowed_sum import windowed_sum

    sublayer = shaken(build)
    x = torch.randn(1, length, DIM, dtype=torch.float64)
    encoded = torch.randn(1, SOURCE, DIM, dtype=torch.float64)
    counter = FlopCounterMode(display=False)
    with counter, use(windowed_sum, "shift"), use(attention, "reference"):
        sublayer(x, None, sublayer.remember(encoded, None))
    costs = sublayer.mult_adds(length, SOURCE)
    assert counter.get_total_flops() == 2 * sum(costs[key] for key in costs if key not in ("taps", "norm"))
    norms = sum(isinstance(inner, nn.LayerNorm) for inner in sublayer.modules())
    assert costs["norm"] == norms * length * DIM
    windows = [inner.taps for inner in sublayer.modules() if hasattr(inner, "taps")]
    widths = [inner.dim for inner in sublayer.modules() if hasattr(inner, "taps")]
    assert costs["taps"] == sum(k * c for k, c in zip(windows, widths, strict=True)) * length


MIXING = [name for name, spec in MIXERS.items() if not isinstance(spec, specs.LongShort)]


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("name", MIXING)
def test_the_mixing_matrix_reproduces_forward(name, causal):
    sublayer = shaken(lambda: MIXERS[name].build(DIM, causal=causal))
    x = torch.randn(2, 9, DIM, dtype=torch.float64)
    pad = torch.zeros(2, 9, dtype=bool)
    pad[1, 6:] = True
    matrix = sublayer.mixing(x, pad)
    values = sublayer.value(x) if hasattr(sublayer, "value") else sublayer._enter(x, pad)
    mixed = (matrix @ values.unflatten(2, (sublayer.heads, -1)).transpose(1, 2)).transpose(1, 2).flatten(2)
    torch.testing.assert_close(sublayer.out(mixed), sublayer(x, pad), rtol=0, atol=1e-12)


def test_the_alignment_reproduces_cross_attention():
    sublayer = shaken(OTHERS["cross_attention"])
    x, memory = torch.randn(2, 5, DIM, dtype=torch.float64), remembered(sublayer, 2)
    mixed = (sublayer.mixing(x, memory) @ memory[1]).transpose(1, 2).flatten(2)
    torch.testing.assert_close(sublayer.out(mixed), sublayer(x, None, memory), rtol=0, atol=1e-12)


@pytest.mark.parametrize("spec", MIXERS.values(), ids=MIXERS.keys())
def test_specs_survive_json(spec):
    assert from_json(json.loads(json.dumps(to_json(spec))), specs.Mixer) == spec


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize(
    "name", ["attention", "light_conv_31", "dynamic_conv_7", "lsra_light", "lsra_dynamic"]
)
def test_sublayers_export_to_one_graph(name):
    sublayer = MIXERS[name].build(DIM, causal=False).eval()
    x, pad = torch.randn(2, 9, DIM), torch.zeros(2, 9, dtype=bool)
    exported = torch.export.export(sublayer, (x, pad)).module()
    torch.testing.assert_close(exported(x, pad), sublayer(x, pad))


def test_lsra_gives_each_branch_its_own_half():
    lsra = shaken(lambda: MIXERS["lsra_light"].build(DIM, causal=False))
    x = torch.randn(2, 9, DIM, dtype=torch.float64)
    attention, convolution = lsra.branches
    whole = torch.cat([attention(x[..., :12]), convolution(x[..., 12:])], -1)
    torch.testing.assert_close(lsra(x), whole, rtol=0, atol=0)


def test_heads_that_do_not_divide_the_width_are_refused_with_the_rule():
    with pytest.raises(ValueError, match="heads=5 must divide the width 24"):
        specs.Attention(heads=5).build(24, causal=True)
