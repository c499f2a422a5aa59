"""Matrices are taken from a running model, as it runs, and it neither changes nor notices."""

import pytest
import torch
from torch import nn

from litetransformer.inspect.mixing import mixings, places, sentence_mixings, text_mixings, watched
from litetransformer.layers.residual import Residual
from litetransformer.layers.stack import Stack
from litetransformer.layers.sublayer import Costs, Sublayer
from litetransformer.models import spec as specs
from litetransformer.models.presets import evolved, lite, lite_lm, transformer

LITE = lite(16, taps=(3, 5), dropout=0.1, weight_dropout=0.1)
MODELS = {
    "lite": LITE,
    "dynamic": lite(16, dynamic=True, taps=(3, 31)),
    "transformer": transformer(16, 32, layers=2),
    "evolved": evolved(16),
    "pre-norm": specs.Seq2SeqSpec(dim=16, encoder=LITE.encoder, decoder=LITE.decoder, norm="pre"),
}
SOURCE, TARGET = [5, 9, 4, 7], [8, 3, 6]

every = pytest.mark.parametrize("name", MODELS)


def built(name):
    model = MODELS[name].build(20, 18).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model


@pytest.fixture
def batch():
    source = torch.tensor([[5, 9, 4, 7, 1], [6, 3, 1, 0, 0]])
    return source, torch.tensor([[1, 8, 3, 6], [1, 2, 0, 0]])


def apply(sublayer, matrix, x, pad, memory):
    """What the sublayer gives if each row of `matrix` takes from the values what it says."""
    if memory:
        values = memory[1]
    else:
        inside = sublayer.value(x) if hasattr(sublayer, "value") else sublayer._enter(x, pad)
        values = inside.unflatten(2, (sublayer.heads, -1)).transpose(1, 2)
    return sublayer.out((matrix @ values).transpose(1, 2).flatten(2))


@every
def test_every_matrix_reproduces_what_its_sublayer_gave_in_the_model(name, batch):
    model, ran = built(name), []
    for module in places(model):
        module.register_forward_hook(lambda module, given, out: ran.append((module, given, out)))
    found = mixings(model, lambda: model(*batch))
    assert len(found) == len(ran) == len(places(model))
    for mixing, (module, given, out) in zip(found, ran, strict=True):
        x, pad, memory = (*given, None, ())[:3] if len(given) == 2 else given
        assert mixing.place is not None
        torch.testing.assert_close(apply(module, mixing.matrix, x, pad, memory), out, rtol=0, atol=1e-12)


@every
def test_a_watched_model_gives_the_same_bits_and_keeps_nothing(name, batch):
    model = built(name)
    before, weights = model(*batch), {key: value.clone() for key, value in model.state_dict().items()}
    hooks = [len(module._forward_hooks) for module in model.modules()]
    with watched(model, lambda _place, matrix: matrix.zero_()):
        assert torch.equal(model(*batch), before)
    assert torch.equal(model(*batch), before)
    assert [len(module._forward_hooks) for module in model.modules()] == hooks
    assert all(torch.equal(value, weights[key]) for key, value in model.state_dict().items())


def test_hooks_go_even_where_the_run_fails():
    model = built("lite")

    def fail():
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        mixings(model, fail)
    assert not any(module._forward_hooks for module in model.modules())


def test_watching_draws_no_random_numbers_in_training(batch):
    model = built("lite").train()
    torch.manual_seed(7)
    expected = model(*batch)
    torch.manual_seed(7)
    with watched(model, lambda _place, _matrix: None):
        assert torch.equal(model(*batch), expected)


def test_places_say_which_layer_branch_and_side():
    found = [
        (place.part, place.label, place.heads, place.causal, place.across, place.taps)
        for place in places(built("lite")).values()
    ]
    assert found == [
        ("encoder attention", "1", 4, False, False, None),
        ("encoder convolution", "1", 4, False, False, 3),
        ("encoder attention", "2", 4, False, False, None),
        ("encoder convolution", "2", 4, False, False, 5),
        ("decoder attention", "1", 4, True, False, None),
        ("decoder convolution", "1", 4, True, False, 3),
        ("cross-attention", "1", 4, False, True, None),
        ("decoder attention", "2", 4, True, False, None),
        ("decoder convolution", "2", 4, True, False, 5),
        ("cross-attention", "2", 4, False, True, None),
    ]


def test_a_sentence_gives_its_positions_with_their_ends(batch):
    model = built("lite").train()
    found = sentence_mixings(model, SOURCE, TARGET)
    assert model.training
    shapes = {mixing.place.part: tuple(mixing.matrix.shape) for mixing in found}
    assert shapes == {
        "encoder attention": (1, 4, 5, 5),
        "encoder convolution": (1, 4, 5, 5),
        "decoder attention": (1, 4, 4, 4),
        "decoder convolution": (1, 4, 4, 4),
        "cross-attention": (1, 4, 4, 5),
    }
    attention = [mixing.matrix for mixing in found if mixing.place.taps is None]
    for matrix in attention:
        torch.testing.assert_close(matrix.sum(-1), torch.ones_like(matrix.sum(-1)))
    # Alone, the sentence has the matrices that it has in a batch.
    together = mixings(model.eval(), lambda: model(*batch))
    for alone, row in zip(found, together, strict=True):
        height, width = alone.matrix.shape[-2:]
        torch.testing.assert_close(alone.matrix[0], row.matrix[0, :, :height, :width])


def test_a_language_model_has_the_mixings_of_its_decoder():
    model = lite_lm(16, taps=(3, 5)).build(20)
    found = text_mixings(model, [5, 3, 9])
    assert [(one.place.part, one.place.label) for one in found] == [
        ("decoder attention", "1"),
        ("decoder convolution", "1"),
        ("decoder attention", "2"),
        ("decoder convolution", "2"),
    ]
    for one in found:
        assert one.matrix.shape == (1, 4, 4, 4)
        assert not one.matrix.triu(1).any()


class Twice(Sublayer):
    """A combinator that nobody has told about, with its inner sublayers in a dictionary."""

    def __init__(self, first, second):
        super().__init__()
        self.dim, self.inner = first.dim, nn.ModuleDict({"first": first, "second": second})

    def forward(self, x, pad=None, memory=()):
        return self.inner["first"](x, pad=pad) + self.inner["second"](x=x, memory=memory, pad=pad)

    def mult_adds(self, length, source=0):
        return Costs()


def test_an_unknown_combinator_in_a_decoder_alone_is_seen_too():
    branches = [specs.Attention(2).build(8, causal=True) for _ in range(2)]
    model = nn.Module()
    model.decoder = Stack(
        Residual(branches[0]), Residual(Twice(branches[1], specs.LightConv(2).build(8, causal=True)))
    )
    x, pad = torch.randn(1, 6, 8), torch.tensor([[False] * 5 + [True]])
    found = mixings(model, lambda: model.decoder(x, pad))
    assert [(one.place.part, one.place.label) for one in found] == [
        ("decoder attention", "1"),
        ("decoder attention", "2"),
        ("decoder convolution", "2"),
    ]
    assert not any(one.matrix[..., 5].any() for one in found)
    assert all(one.matrix.shape == (1, 2, 6, 6) for one in found)


def test_two_of_one_kind_in_a_layer_are_told_apart():
    pair = specs.LongShort(specs.Attention(2), specs.Attention(2)).build(8, causal=False)
    model = nn.Module()
    model.encoder = Stack(Residual(pair))
    assert [(place.part, place.label) for place in places(model).values()] == [
        ("encoder attention", "1"),
        ("encoder attention", "1.2"),
    ]
