"""The language model: it sees no later token, stepping equals the whole, and it costs what the paper says."""

import json
from dataclasses import replace

import pytest
import torch

from litetransformer.core.errors import InputError
from litetransformer.core.spec import from_json, to_json
from litetransformer.core.tokens import EOS, PAD
from litetransformer.inspect.profile import profile
from litetransformer.layers.sublayer import select, tree_map
from litetransformer.models.language_spec import LanguageModelSpec
from litetransformer.models.presets import LANGUAGE_TAPS, lite_lm, transformer_lm
from litetransformer.models.spec import EncoderLayer, EvolvedEncoderCell, FeedForward, LightConv

VOCABULARY = 37
SPECS = {
    "lite": lite_lm(16, taps=(3, 31)),
    "lite_final_norm": lite_lm(16, taps=(4, 5), hidden=24, final_norm=True, tied=False),
    "lite_adaptive": replace(lite_lm(16, taps=(3, 7), cutoffs=(9, 20)), factor=2),
    "adaptive_untied": replace(lite_lm(16, taps=(3,), cutoffs=(3, 30), tied=False), factor=2),
    "transformer": transformer_lm(16, 32, layers=2, heads=4),
    "transformer_adaptive": replace(transformer_lm(16, 64, layers=2, heads=2, cutoffs=(9, 20)), factor=2),
    "post_norm": LanguageModelSpec(
        dim=16, layers=(EncoderLayer(LightConv(4, 9), FeedForward(8)),) * 2, norm="post"
    ),
    "evolved": LanguageModelSpec(dim=16, layers=(EvolvedEncoderCell(4),), final_norm=True),
}
every = pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())


def shaken(spec, dtype=torch.float64):
    """The network, every parameter random: biases and norms start at 0 and 1, which hides bugs.

    Smaller than it starts, lest narrow tables give log-probabilities that no trained network has.
    """
    torch.manual_seed(2)
    model = spec.build(VOCABULARY).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(0.7).add_(0.1 * torch.randn_like(parameter))
    return model.to(dtype)


def tokens(rows, length, seed=0):
    return torch.randint(1, VOCABULARY, (rows, length), generator=torch.Generator().manual_seed(seed))


def begin(model, rows):
    source = torch.full((rows, 1), EOS)
    return model.begin(source, source == PAD)


@every
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("length", [1, 2, 3, 17, 40])
def test_advancing_equals_the_whole_text(spec, dtype, length):
    model, text = shaken(spec, dtype), tokens(3, length)
    state, memory = begin(model, 3)
    assert memory == ()
    found = []
    for position in range(length):
        log_probs, state = model.advance(text[:, position], state, memory)
        found.append(log_probs)
    found = torch.stack(found, 1)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, model.log_probs(text).float(), rtol=0, atol=1e-5)
    torch.testing.assert_close(found.exp().sum(-1), torch.ones(3, length))


@every
def test_no_gradient_comes_from_a_later_token(spec):
    model, vectors = shaken(spec), []
    handle = model.embedding.register_forward_hook(lambda *call: vectors.append(call[-1].requires_grad_()))
    log_probs = model.log_probs(tokens(2, 6))
    handle.remove()
    for position in range(6):
        weights = torch.linspace(-1, 1, VOCABULARY, dtype=torch.float64)
        (gradient,) = torch.autograd.grad(
            (log_probs[:, position] * weights).sum(), vectors, retain_graph=True
        )
        assert gradient[:, position + 1 :].eq(0).all()
        assert gradient[:, position].ne(0).any()


@every
def test_a_row_does_not_see_its_neighbours_nor_padding_after_it(spec):
    model, text = shaken(spec), tokens(4, 9)
    together = model.log_probs(torch.cat([text, torch.full((4, 5), PAD)], 1))
    torch.testing.assert_close(together[2:3, :9], model.log_probs(text[2:3]), rtol=0, atol=1e-12)


@every
def test_selecting_rows_of_state_selects_what_follows(spec):
    model, text, rows = shaken(spec), tokens(3, 5), torch.tensor([2, 0, 0, 1])
    state, memory = begin(model, 3)
    for position in range(3):
        _, state = model.advance(text[:, position], state, memory)
    kept = tree_map(torch.clone, state)
    expected, after = model.advance(text[:, 3], state, memory)
    found, picked = model.advance(text[rows, 3], select(state, rows), select(memory, rows))
    torch.testing.assert_close(found, expected[rows], rtol=0, atol=1e-6)
    torch.testing.assert_close(picked, select(after, rows), rtol=0, atol=1e-12)
    torch.testing.assert_close(state, kept, rtol=0, atol=0)


def padded(rows=4, length=11):
    text = tokens(rows, length + 1)
    tokens_in, tokens_out = text[:, :-1].clone(), text[:, 1:].clone()
    tokens_in[1, 4:], tokens_out[1, 4:] = PAD, PAD
    tokens_in[3], tokens_out[3] = PAD, PAD
    return tokens_in, tokens_out


@every
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_sums_over_real_tokens_what_log_probs_says(spec, smoothing):
    model, (tokens_in, tokens_out) = shaken(spec), padded()
    log_probs, real = model.log_probs(tokens_in), tokens_out != PAD
    chosen = log_probs.gather(-1, tokens_out[..., None])[..., 0]
    expected = -((1 - smoothing) * chosen + smoothing * log_probs.mean(-1))[real].sum()
    found = model.loss(tokens_in, tokens_out, smoothing=smoothing)
    torch.testing.assert_close(found.double(), expected, rtol=1e-6, atol=0)


@every
def test_one_tokens_log_probability_is_its_entry_among_all(spec):
    model, (tokens_in, tokens_out) = shaken(spec), padded()
    expected = model.log_probs(tokens_in).gather(-1, tokens_out[..., None])[..., 0]
    found = model.token_log_probs(tokens_in, tokens_out)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


@every
def test_every_parameter_learns(spec):
    model = shaken(spec, torch.float32).train()
    model.loss(*padded(rows=40)).backward()
    still = [name for name, parameter in model.named_parameters() if not parameter.grad.abs().sum() > 0]
    # Adding the same to every key of a query changes no attention weight.
    assert all(".key.bias" in name for name in still)


@pytest.mark.parametrize("tied", [True, False])
def test_tied_tables_and_projections_are_one(tied):
    full = lite_lm(16, taps=(3,), tied=tied).build(VOCABULARY)
    assert (full.output.weight is full.embedding.weight) == tied
    adaptive = lite_lm(16, taps=(3,), cutoffs=(9, 20), tied=tied).build(VOCABULARY)
    pairs = [
        *zip(adaptive.embedding.tables, adaptive.output.tables, strict=True),
        *zip(list(adaptive.embedding.projections)[1:], adaptive.output.projections, strict=True),
    ]
    assert [first is second for first, second in pairs] == [tied] * 5


def test_without_a_final_norm_the_last_layers_sum_is_what_the_softmax_sees():
    with_norm, without = (lite_lm(16, taps=(3,), final_norm=on).build(VOCABULARY) for on in (True, False))
    with_norm.decoder, with_norm.embedding = without.decoder, without.embedding
    text = tokens(2, 5)
    features = without.features(text)
    expected = torch.nn.functional.layer_norm(features, (16,))
    torch.testing.assert_close(with_norm.features(text), expected)
    assert not torch.allclose(features, expected)


@every
def test_specs_survive_json(spec):
    assert from_json(json.loads(json.dumps(to_json(spec))), LanguageModelSpec) == spec


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dim": 1}, "dim=1 must be at least 2"),
        ({"layers": []}, "a language model needs at least one layer"),
        ({"factor": 0}, "factor=0 must be at least 1"),
        ({"output_dropout": 1.0}, r"output_dropout=1.0 must be in \[0, 1\)"),
        ({"cutoffs": [20, 9]}, r"cutoffs=\(20, 9\) must rise"),
        ({"cutoff": [9]}, "cutoff: LanguageModelSpec has no such field; did you mean 'cutoffs'"),
    ],
)
def test_a_spec_that_makes_no_sense_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        from_json(to_json(SPECS["lite"]) | changes, LanguageModelSpec)


def test_cutoffs_beyond_the_vocabulary_are_refused_when_it_is_known():
    with pytest.raises(
        ValueError, match=r"cutoffs=\(9, 20\) must rise from above 2 to below the vocabulary, 20"
    ):
        SPECS["lite_adaptive"].build(20)


@every
def test_parts_add_up_to_the_whole(spec):
    model = spec.build(VOCABULARY)
    found = profile(model, source_tokens=11, target_tokens=7)
    assert found == replace(profile(model, source_tokens=3, target_tokens=7), source_tokens=11)
    parts = found.components.values()
    assert sum(part["params"] for part in parts) == found.params_total
    assert found.params_total == sum(parameter.numel() for parameter in model.parameters())
    assert sum(part["mult_adds"] for part in parts) == found.mult_adds_total
    assert "" not in found.components
    in_layers = sum(layer["params"] for layer in found.layers.values())
    outside = found.components["embedding"]["params"] + found.components["output"]["params"]
    norm = spec.dim if spec.final_norm else 0
    assert in_layers + outside + 2 * norm == found.params_total
    projection = spec.dim**2 if spec.cutoffs else 0
    in_layers = sum(layer["mult_adds"] for layer in found.layers.values())
    assert in_layers + 7 * (norm + projection) == found.mult_adds


def test_the_papers_language_model_costs_what_it_published():
    assert LANGUAGE_TAPS == (15, 15, 31, 31, 31, 31, 63, 63, 63, 63, 63, 63)
    with torch.device("meta"):
        model = lite_lm(896, cutoffs=(20_000, 60_000)).build(267_744)
    found = profile(model)
    # The adaptive input is left out of the parameters; its first projection is among the mult-adds.
    assert round(found.params / 1e6, 2) == 37.18
    assert round(found.mult_adds / 1e6, 1) == 1146.8
    tables = 20_000 * 896 + 40_000 * 224 + 207_744 * 56
    assert found.components["embedding"]["params"] == tables + 896 * (896 + 224 + 56)
    assert found.components["output"]["params"] == 2 * 896
    assert found.params_total == found.params + found.components["embedding"]["params"]
    output = 20_002 * 896 + (896 + 40_000) * 224 + (896 + 207_744) * 56
    assert found.components["output"]["mult_adds"] == 30 * output


@pytest.mark.parametrize(("dim", "published"), [(256, 293), (320, 455), (512, 1154), (768, 2583)])
def test_transformers_of_twelve_layers_are_near_the_published_ones(dim, published):
    with torch.device("meta"):
        model = transformer_lm(dim, 4 * dim, cutoffs=(20_000, 60_000)).build(267_744)
    assert abs(profile(model).mult_adds / 1e6 / published - 1) < 0.008
