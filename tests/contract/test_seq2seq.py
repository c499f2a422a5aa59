"""The encoder-decoder: stepping equals the whole, padding is not seen, and it costs what the paper says."""

import math
from dataclasses import replace

import pytest
import torch

from litetransformer.core.tokens import EOS, PAD
from litetransformer.inspect.profile import profile
from litetransformer.layers.sublayer import select, tree_map
from litetransformer.models.presets import evolved, lightconv, lite, transformer
from litetransformer.models.spec import (
    Attention,
    CrossAttention,
    DecoderLayer,
    EncoderLayer,
    FeedForward,
    Seq2SeqSpec,
)

VOCABULARY = 37
PRE_NORM = Seq2SeqSpec(
    dim=16,
    encoder=lite(16, taps=(3, 5)).encoder,
    decoder=lite(16, taps=(4, 9), dynamic=True).decoder,
    norm="pre",
    tied="target",
)
MIXED = Seq2SeqSpec(
    dim=16,
    encoder=(EncoderLayer(Attention(2), FeedForward(24)),),
    decoder=(DecoderLayer(Attention(1), CrossAttention(8), FeedForward(8)),) * 3,
)
SPECS = {
    "light": lite(16, taps=(3, 31)),
    "dynamic": lite(16, dynamic=True, taps=(3, 31), tied="all"),
    "tied_target": lite(16, taps=(1, 6), tied="target"),
    "transformer": transformer(16, 32, layers=2, tied="all"),
    "pre_norm": PRE_NORM,
    "mixed": MIXED,
    "light_alone": lightconv(16, 32, taps=(3, 5, 31), decoder_taps=(7, 31)),
    "dynamic_alone": lightconv(16, 32, dynamic=True, glu=True, taps=(3,), decoder_taps=(4, 15), tied="all"),
    "evolved": evolved(16, cells=1, decoder_cells=2, heads=4, tied="all"),
    "evolved_post_norm": replace(evolved(16, cells=2, decoder_cells=1, heads=2), norm="post"),
}
every = pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())


def shaken(spec, dtype=torch.float64):
    """The network, every parameter random: biases and norms start at 0 and 1, which hides bugs."""
    torch.manual_seed(2)
    model = spec.build(VOCABULARY, VOCABULARY).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model.to(dtype)


def tokens(rows, length, seed=0):
    return torch.randint(3, VOCABULARY, (rows, length), generator=torch.Generator().manual_seed(seed))


def whole(model, source, target_in):
    return model(source, target_in).log_softmax(-1)


def step_by_step(model, source, target_in, shuffle=None):
    state, memory = model.begin(source, source == PAD)
    found = []
    for position in range(target_in.shape[1]):
        log_probs, state = model.advance(target_in[:, position], state, memory)
        found.append(log_probs)
    return torch.stack(found, 1)


@every
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("length", [1, 2, 3, 17, 40])
def test_advancing_equals_the_whole_target(spec, dtype, length):
    model = shaken(spec, dtype)
    source, target_in = tokens(3, 9), tokens(3, length, seed=1)
    target_in[:, 0] = EOS
    source[1, 5:] = PAD
    found = step_by_step(model, source, target_in)
    # `advance` promises fp32, whatever the network computes in.
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, whole(model, source, target_in).float(), rtol=0, atol=1e-5)


@every
def test_the_features_behind_advancing_agree_to_the_last_digits(spec):
    model = shaken(spec)
    source, target_in = tokens(3, 9), tokens(3, 40, seed=1)
    pad = source == PAD
    memory = model.decoder.remember(model.encode(source, pad), pad)
    state, outputs = model.decoder.start(3), []
    for position in range(40):
        x = model.target_embedding(target_in[:, position : position + 1], torch.tensor([position]))
        x, state = model.decoder.step(x, state, memory)
        outputs.append(model.decoder_norm(x))
    features = model.features(source, target_in)
    torch.testing.assert_close(torch.cat(outputs, 1), features, rtol=0, atol=1e-12)


@every
@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_of_the_source_changes_nothing_on_either_side(spec, side):
    model = shaken(spec)
    source, target_in = tokens(2, 6), tokens(2, 5, seed=1)
    padding = torch.full((2, 40), PAD)
    longer = torch.cat([padding, source] if side == "left" else [source, padding], 1)
    torch.testing.assert_close(
        whole(model, longer, target_in), whole(model, source, target_in), rtol=0, atol=1e-12
    )
    torch.testing.assert_close(
        step_by_step(model, longer, target_in), step_by_step(model, source, target_in), rtol=0, atol=1e-5
    )


@every
def test_padding_of_the_target_changes_nothing_before_it(spec):
    model = shaken(spec)
    source, target_in = tokens(2, 6), tokens(2, 5, seed=1)
    longer = torch.cat([target_in, torch.full((2, 9), PAD)], 1)
    torch.testing.assert_close(
        whole(model, source, longer)[:, :5], whole(model, source, target_in), rtol=0, atol=1e-12
    )


@every
def test_a_pair_does_not_see_its_neighbours(spec):
    model = shaken(spec)
    source, target_in = tokens(4, 7), tokens(4, 6, seed=1)
    source[2, 3:] = PAD
    together = whole(model, source, target_in)
    alone = whole(model, source[2:3, :3], target_in[2:3])
    torch.testing.assert_close(alone[0], together[2], rtol=0, atol=1e-12)


@every
def test_the_target_is_predicted_from_what_came_before_alone(spec):
    model = shaken(spec)
    source, target_in = tokens(2, 6), tokens(2, 8, seed=1)
    changed = target_in.clone()
    changed[:, 5:] = tokens(2, 3, seed=9)
    before, after = whole(model, source, target_in), whole(model, source, changed)
    torch.testing.assert_close(after[:, :5], before[:, :5], rtol=0, atol=0)
    assert not torch.equal(after[:, 5:], before[:, 5:])


@every
def test_selecting_rows_of_state_and_memory_selects_what_follows(spec):
    model = shaken(spec)
    source, target_in, rows = tokens(3, 6), tokens(3, 5, seed=1), torch.tensor([2, 0, 0, 1])
    state, memory = model.begin(source, source == PAD)
    for position in range(3):
        _, state = model.advance(target_in[:, position], state, memory)
    kept = tree_map(torch.clone, state)
    expected, after = model.advance(target_in[:, 3], state, memory)
    found, picked = model.advance(target_in[rows, 3], select(state, rows), select(memory, rows))
    torch.testing.assert_close(found, expected[rows], rtol=0, atol=1e-6)
    torch.testing.assert_close(picked, select(after, rows), rtol=0, atol=1e-12)
    torch.testing.assert_close(state, kept, rtol=0, atol=0)


@every
def test_what_advancing_gives_is_a_distribution(spec):
    model = shaken(spec, torch.float32)
    found = step_by_step(model, tokens(3, 6), tokens(3, 5, seed=1))
    torch.testing.assert_close(found.exp().sum(-1), torch.ones(3, 5))


@pytest.mark.parametrize(
    ("tied", "tables"), [("none", 3), ("target", 2), ("all", 1)], ids=["none", "target", "all"]
)
def test_tied_tables_are_one(tied, tables):
    model = lite(16, taps=(3,), tied=tied).build(VOCABULARY, VOCABULARY)
    weights = (model.source_embedding.weight, model.target_embedding.weight, model.output.weight)
    assert len({id(weight) for weight in weights}) == tables
    named = [parameter for _, parameter in model.named_parameters() if parameter.shape == (VOCABULARY, 16)]
    assert len(named) == tables


def test_one_table_takes_one_vocabulary():
    with pytest.raises(ValueError, match=r"tied='all' needs one vocabulary, not 10 source and 11 target"):
        lite(16, taps=(3,), tied="all").build(10, 11)
    assert lite(16, taps=(3,), tied="target").build(10, 11).vocabulary == 11


def test_no_token_is_read_as_padding_in_the_target():
    model = shaken(SPECS["light"])
    source, target_in = tokens(1, 4), tokens(1, 3)
    other = target_in.clone()
    other[0, 1] = PAD
    assert not torch.allclose(whole(model, source, target_in)[0, 2], whole(model, source, other)[0, 2])


# The formulas of the paper (PAPER §4), typed from it: c = d/2, L tokens, H heads, K taps, f hidden.
def attention_cost(d, tokens):
    return 4 * (d * d + d), 4 * d * d * tokens + 2 * tokens**2 * d


def light_cost(c, tokens, heads, taps):
    return 2 * (c * c + c) + heads * taps, 2 * c * c * tokens


def dynamic_cost(c, tokens, heads, taps):
    return 2 * c * c + 2 * c + c * c + c + c * heads * taps, (3 * c * c + c * heads * taps) * tokens


def feed_forward_cost(d, f, tokens):
    return 2 * d * f + f + d, 2 * d * f * tokens


def cross_cost(d, source, target):
    return 4 * (d * d + d), 2 * d * d * target + 2 * d * d * source + 2 * target * source * d


def norm_cost(d, tokens):
    return 2 * d, tokens * d


def total(*parts):
    return tuple(map(sum, zip(*parts, strict=True)))


def lite_cost(d, source, target, *, dynamic, taps=(3, 7, 15, 31, 31, 31)):
    convolution = dynamic_cost if dynamic else light_cost
    parts = []
    for size in taps:
        for tokens_, norms, cross in ((source, 2, False), (target, 3, True)):
            parts += [attention_cost(d // 2, tokens_), convolution(d // 2, tokens_, 4, size)]
            parts += [feed_forward_cost(d, d, tokens_), *[norm_cost(d, tokens_)] * norms]
            parts += [cross_cost(d, source, target)] * cross
    return total(*parts)


def transformer_cost(d, f, source, target):
    parts = []
    for tokens_, norms, cross in ((source, 2, False), (target, 3, True)):
        parts += [attention_cost(d, tokens_), feed_forward_cost(d, f, tokens_)]
        parts += [*[norm_cost(d, tokens_)] * norms, *[cross_cost(d, source, target)] * cross]
    return total(*parts * 6)


@pytest.mark.parametrize("lengths", [(30, 30), (17, 41)])
@pytest.mark.parametrize("dim", [160, 240, 320])
def test_lite_models_with_light_convolution_cost_what_the_paper_counts(dim, lengths):
    found = profile(lite(dim).build(8848, 6632), source_tokens=lengths[0], target_tokens=lengths[1])
    params, mult_adds = lite_cost(dim, *lengths, dynamic=False)
    # The untied output table counts as parameters, never as mult-adds.
    assert (found.params, found.mult_adds) == (params + 6632 * dim, mult_adds)


@pytest.mark.parametrize("lengths", [(30, 30), (17, 41)])
@pytest.mark.parametrize("dim", [200, 408, 496])
def test_lite_models_with_dynamic_convolution_cost_what_the_paper_counts(dim, lengths):
    model = lite(dim, dynamic=True, cross_heads=8, tied="all").build(VOCABULARY, VOCABULARY)
    found = profile(model, source_tokens=lengths[0], target_tokens=lengths[1])
    assert (found.params, found.mult_adds) == lite_cost(dim, *lengths, dynamic=True)


@pytest.mark.parametrize("dim", [128, 192, 240])
def test_transformers_cost_what_the_paper_counts(dim):
    found = profile(transformer(dim, 2 * dim).build(8848, 6632))
    params, mult_adds = transformer_cost(dim, 2 * dim, 30, 30)
    assert (found.params, found.mult_adds) == (params + 6632 * dim, mult_adds)


@pytest.mark.parametrize(
    ("cost", "published"),
    [
        (lite_cost(160, 30, 30, dynamic=False), (2.775 - 6632 * 160 / 1e6, 54.3)),
        (lite_cost(320, 30, 30, dynamic=False), (8.928 - 6632 * 320 / 1e6, 209.95)),
        (lite_cost(200, 30, 30, dynamic=True), (2.884, 90.13)),
        (lite_cost(496, 30, 30, dynamic=True), (17.284, 527.44)),
        (transformer_cost(240, 480, 30, 30), (8.54 - 6632 * 240 / 1e6, 215.4)),
        (transformer_cost(512, 2048, 30, 30), (44.14, 1338)),
    ],
)
def test_the_formulas_give_the_published_numbers(cost, published):
    for found, expected in zip(cost, published, strict=True):
        assert math.isclose(found / 1e6, expected, rel_tol=2e-3)


@every
def test_parts_add_up_to_the_whole(spec):
    model = spec.build(VOCABULARY, VOCABULARY)
    found = profile(model, source_tokens=11, target_tokens=7)
    parts = found.components.values()
    assert sum(part["params"] for part in parts) == found.params_total
    assert found.params_total == sum(parameter.numel() for parameter in model.parameters())
    assert sum(part["mult_adds"] for part in parts) == found.mult_adds_total
    assert sum(model.mult_adds(11, 7).values()) == found.mult_adds_total
    assert found.components["output"]["mult_adds"] == spec.dim * VOCABULARY * 7
    in_layers = sum(layer["params"] for layer in found.layers.values())
    outside = found.components["embedding"]["params"] + found.components["output"]["params"]
    final_norms = 4 * spec.dim if spec.norm == "pre" else 0
    assert in_layers + outside + final_norms == found.params_total
    final_norms = spec.dim * (11 + 7) if spec.norm == "pre" else 0
    assert sum(layer["mult_adds"] for layer in found.layers.values()) + final_norms == found.mult_adds
