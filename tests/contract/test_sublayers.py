"""The contract of every sublayer, in float64. A new branch joins by one entry in `SUBLAYERS`."""

import json

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from litetransformer.core.errors import InputError
from litetransformer.core.spec import from_json, to_json
from litetransformer.layers.attention import SelfAttention
from litetransformer.layers.branched_conv import BranchedConv, Convolution, SeparableConv
from litetransformer.layers.convolution import WindowConvolution
from litetransformer.layers.cross_attention import CrossAttention
from litetransformer.layers.evolved import Gate, SwishFeedForward
from litetransformer.layers.feed_forward import FeedForward
from litetransformer.layers.residual import Residual
from litetransformer.layers.stack import Stack
from litetransformer.layers.sublayer import select, tree_map
from litetransformer.layers.sum import Sum
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
PLAIN = {"dropout": 0.1, "norm": "pre"}
# Sublayers that are causal or look both ways, as they are told.
EITHER = {
    "convolution": lambda causal: Convolution(DIM, taps=3, causal=causal, relu=True),
    "convolution_1": lambda causal: Convolution(DIM, taps=1, causal=causal),
    "convolution_even": lambda causal: Convolution(DIM, taps=4, causal=causal),
    "separable_conv": lambda causal: SeparableConv(DIM, taps=9, causal=causal),
    "separable_conv_31": lambda causal: SeparableConv(DIM, taps=31, causal=causal, relu=True),
    "branched_conv": lambda causal: BranchedConv(
        SeparableConv(DIM, 2 * DIM, taps=5, causal=causal, relu=True),
        Convolution(DIM, 10, taps=3, causal=causal),
        SeparableConv(2 * DIM, 20, taps=7, causal=causal),
        dropout=0.1,
    ),
    "evolved_encoder_cell": lambda causal: specs.EvolvedEncoderCell(heads=4).build(
        DIM, causal=causal, **PLAIN
    ),
    "encoder_layer": lambda causal: specs.EncoderLayer(MIXERS["lsra_light"], specs.FeedForward(DIM)).build(
        DIM, causal=causal, **PLAIN
    ),
}
EITHER |= {name: (lambda causal, spec=spec: spec.build(DIM, causal=causal)) for name, spec in MIXERS.items()}
OTHERS = {
    "cross_attention": lambda: CrossAttention(DIM, heads=4),
    "feed_forward": lambda: FeedForward(DIM, hidden=40),
    "gate": lambda: Gate(DIM),
    "swish_feed_forward": lambda: SwishFeedForward(DIM, hidden=40),
    "sum": lambda: Sum(
        SelfAttention(DIM, heads=8, causal=True), CrossAttention(DIM, heads=4), FeedForward(DIM, hidden=8)
    ),
    "evolved_decoder_cell": lambda: specs.EvolvedDecoderCell(heads=4).build(DIM, **PLAIN),
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
CAUSAL = {name: (lambda build=build: build(causal=True)) for name, build in EITHER.items()} | OTHERS
BOTH = {f"{name}_same": (lambda build=build: build(causal=False)) for name, build in EITHER.items()}
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
    norms = [inner for inner in sublayer.modules() if isinstance(inner, nn.LayerNorm)]
    assert costs["norm"] == sum(inner.normalized_shape[0] for inner in norms) * length
    windows = [inner for inner in sublayer.modules() if isinstance(inner, WindowConvolution | SeparableConv)]
    assert costs["taps"] == sum(inner.taps * inner.dim for inner in windows) * length


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


BLOCKS = {
    "encoder_layer": specs.EncoderLayer(MIXERS["attention"], specs.FeedForward(8)),
    "decoder_layer": specs.DecoderLayer(MIXERS["lsra_light"], specs.CrossAttention(2), specs.FeedForward(8)),
    "evolved_encoder_cell": specs.EvolvedEncoderCell(heads=2, dropout=0.1),
    "evolved_decoder_cell": specs.EvolvedDecoderCell(heads=2),
}


@pytest.mark.parametrize("spec", [*MIXERS.values(), *BLOCKS.values()], ids=[*MIXERS, *BLOCKS])
def test_specs_survive_json(spec):
    kinds = (specs.Mixer, specs.EncoderBlock, specs.DecoderBlock)
    kind = next(kind for kind in kinds if isinstance(spec, kind))
    assert from_json(json.loads(json.dumps(to_json(spec))), kind) == spec


def test_an_encoder_takes_no_blocks_of_a_decoder():
    layers = [to_json(BLOCKS["decoder_layer"])]
    data = {"type": "Seq2SeqSpec", "dim": 8, "encoder": layers, "decoder": layers}
    with pytest.raises(
        InputError, match=r"encoder\.0\.type: 'DecoderLayer' is no EncoderBlock; did you mean"
    ):
        from_json(data, specs.Seq2SeqSpec)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize(
    "name",
    [
        *("attention", "light_conv_31", "dynamic_conv_7", "lsra_light", "lsra_dynamic"),
        *("branched_conv", "evolved_encoder_cell"),
    ],
)
def test_sublayers_export_to_one_graph(name):
    sublayer = EITHER[name](causal=False).eval()
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


def test_a_separable_convolution_is_torchs_depthwise_then_pointwise():
    layer = shaken(lambda: SeparableConv(DIM, 10, taps=9, causal=False))
    x = torch.randn(2, 12, DIM, dtype=torch.float64)
    deep = torch.conv1d(x.transpose(1, 2), layer.kernel[:, None], padding=4, groups=DIM)
    torch.testing.assert_close(layer(x), layer.linear(deep.transpose(1, 2)), rtol=0, atol=1e-12)


def test_a_convolution_is_torchs():
    layer = shaken(lambda: Convolution(DIM, 10, taps=3, causal=False, relu=True))
    x = torch.randn(2, 12, DIM, dtype=torch.float64)
    kernel = layer.linear.weight.unflatten(1, (DIM, 3))
    expected = torch.conv1d(x.transpose(1, 2), kernel, layer.linear.bias, padding=1).transpose(1, 2)
    torch.testing.assert_close(layer(x), expected.relu(), rtol=0, atol=1e-12)


def test_a_branched_convolution_adds_the_narrow_branch_to_the_first_channels():
    branched = shaken(lambda: EITHER["branched_conv"](causal=False))
    x = torch.randn(2, 9, DIM, dtype=torch.float64)
    wide = branched.wide(x)
    wide[..., :10] += branched.narrow(x)
    out = branched(x)
    torch.testing.assert_close(out[..., :20], branched.close(branched.norm(wide)), rtol=0, atol=1e-12)
    assert not out[..., 20:].any()


def test_the_encoder_cell_is_the_published_one():
    cell = specs.EvolvedEncoderCell(heads=4).build(DIM, **PLAIN)
    gate, branched, attention, feed_forward = (residual.inner for residual in cell.inner)
    assert [type(part) for part in (gate, attention, feed_forward)] == [Gate, SelfAttention, FeedForward]
    assert described(branched) == [
        (Convolution, DIM, 4 * DIM, 1, True),
        (Convolution, DIM, DIM // 2, 3, True),
        (SeparableConv, 4 * DIM, DIM // 2, 9, False),
    ]
    assert (attention.heads, feed_forward.hidden) == (4, 4 * DIM)


def test_the_decoder_cell_is_the_published_one():
    cell = specs.EvolvedDecoderCell(heads=4).build(DIM, **PLAIN)
    first, branched, attention, cross, feed_forward = (residual.inner for residual in cell.inner)
    assert [(type(part), part.heads) for part in first.branches] == [(SelfAttention, 8), (CrossAttention, 4)]
    assert described(branched) == [
        (SeparableConv, DIM, 2 * DIM, 11, True),
        (SeparableConv, DIM, DIM // 2, 7, False),
        (SeparableConv, 2 * DIM, DIM, 7, False),
    ]
    assert [(type(part), part.heads) for part in (attention, cross)] == [
        (SelfAttention, 4),
        (CrossAttention, 4),
    ]
    assert (type(feed_forward), feed_forward.hidden) == (SwishFeedForward, 4 * DIM)


def described(branched):
    parts = (branched.wide, branched.narrow, branched.close)
    return [(type(part), part.dim, part.out_dim, part.taps, part.relu) for part in parts]


def test_every_part_of_a_cell_drops_out():
    torch.manual_seed(0)
    for block, memory in ((specs.EvolvedEncoderCell(4), False), (specs.EvolvedDecoderCell(4), True)):
        cell = block.build(DIM, dropout=0.5, norm="pre")
        for inner in (residual.inner for residual in cell.inner):
            x = torch.randn(2, 5, DIM)
            remembered = inner.remember(torch.randn(2, 3, DIM)) if memory else ()
            drops = not isinstance(inner, Gate | SelfAttention | CrossAttention)
            assert torch.equal(inner(x, None, remembered), inner(x, None, remembered)) != drops


@pytest.mark.parametrize("cell", [specs.EvolvedEncoderCell(3), specs.EvolvedDecoderCell(3)])
def test_a_cell_of_odd_width_is_refused_with_the_rule(cell):
    with pytest.raises(ValueError, match="dim=9 must be even"):
        cell.build(9, dropout=0.0, norm="pre")


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Convolution(8, taps=0, causal=True), "taps=0 must be at least 1"),
        (lambda: Sum(Gate(8), Gate(6)), r"branches of one width, not of \[8, 6\]"),
        (
            lambda: BranchedConv(*(SeparableConv(8, 4, taps=3, causal=True) for _ in range(3))),
            r"widths \(8, 8, 4, 4, 8, 4\) do not fit",
        ),
    ],
)
def test_parts_that_do_not_fit_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()
