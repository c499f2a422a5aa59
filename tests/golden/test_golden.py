"""A frozen checkpoint says today what it said when it was written, and its next updates cost what they did.

A failure means that old models would give other output: that is a major version, or a mistake. To freeze
anew, run this file as a program.
"""

import itertools
import json
import math
from pathlib import Path

import pytest
import torch

from litetransformer.core.files import read_json
from litetransformer.core.spec import from_json, to_json
from litetransformer.core.tokens import EOS, PAD
from litetransformer.data.batching import TrainingBatch
from litetransformer.decode.beam import beam_search
from litetransformer.decode.options import SamplingOptions, SearchOptions
from litetransformer.decode.sampling import sample
from litetransformer.models.spec import (
    Attention,
    CrossAttention,
    DecoderLayer,
    DynamicConv,
    EncoderLayer,
    FeedForward,
    LightConv,
    LongShort,
    Seq2SeqSpec,
)
from litetransformer.models.tensors import check_tensors, load_tensors, save_tensors
from litetransformer.train.optimizer import Adam
from litetransformer.train.recipe import Training
from litetransformer.train.schedule import InverseSqrt
from litetransformer.train.step import Step

HERE = Path(__file__).parent
WEIGHTS, FACTS = HERE / "tiny.safetensors", HERE / "tiny.json"
VOCABULARY = 24
LIGHT = LongShort(Attention(2), LightConv(2, 5))
DYNAMIC = LongShort(Attention(4), DynamicConv(4, 3))
SPEC = Seq2SeqSpec(
    dim=16,
    encoder=(EncoderLayer(LIGHT, FeedForward(16)), EncoderLayer(DYNAMIC, FeedForward(16))),
    decoder=(
        DecoderLayer(DYNAMIC, CrossAttention(4), FeedForward(16)),
        DecoderLayer(LIGHT, CrossAttention(2), FeedForward(24)),
    ),
    tied="target",
)
SEARCH = SearchOptions(beam=4, n_best=3, longest_ratio=1.5, longest_extra=4, no_repeat_ngram=3)
SAMPLING = SamplingOptions(samples=2, temperature=0.8, top_k=9, top_p=0.95, longest=12)
TRAINING = Training(
    updates=20,
    accumulate=2,
    optimizer=Adam(weight_decay=1e-2),
    schedule=InverseSqrt(peak=5e-3, warmup=5),
    label_smoothing=0.1,
    clip=0.5,
    precision="fp32",
)


def frozen():
    """The model as it was frozen, and what was written down beside it."""
    facts = read_json(FACTS)
    model = from_json(facts["spec"], Seq2SeqSpec).build(VOCABULARY, VOCABULARY).eval()
    weights, _ = load_tensors(WEIGHTS)
    check_tensors(weights, dict(model.named_parameters()), WEIGHTS)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(weights[name])
    return model, facts


def padded(rows):
    width = max(map(len, rows))
    return torch.tensor([[*row, *[PAD] * (width - len(row))] for row in rows])


def searched(model, sources, options=SEARCH):
    source = padded(sources)
    return [
        [[list(one.tokens), one.score] for one in found]
        for found in beam_search(model, source, source == PAD, options)
    ]


def drawn(model, sources):
    source = padded(sources)
    found = sample(model, source, source == PAD, SAMPLING, seeds=range(len(sources)))
    return [[[list(one.tokens), one.score] for one in targets] for targets in found]


def curve(model, sources, targets):
    """The losses of 20 updates in bits a token; dropout is off, so that no random number matters."""
    step = Step(model, TRAINING.optimizer.build(model), TRAINING, torch.device("cpu"))
    losses = []
    for update in range(1, TRAINING.updates + 1):
        batches = []
        for first in (update % 4 * 4, (update + 1) % 4 * 4):
            target = padded(targets[first : first + 4])
            start = torch.full((len(target), 1), EOS)
            target_in = torch.cat([start, target[:, :-1]], 1).masked_fill(target == PAD, PAD)
            source = padded(sources[first : first + 4])
            batches.append(TrainingBatch((source, target_in, target), int((target != PAD).sum())))
        step(batches, update)
        losses.append(step.read() / sum(batch.tokens for batch in batches))
    return losses


def assert_equal(found, expected):
    for targets, frozen_targets in zip(found, expected, strict=True):
        assert [tokens for tokens, _ in targets] == [tokens for tokens, _ in frozen_targets]
        for (_, score), (_, frozen_score) in zip(targets, frozen_targets, strict=True):
            assert math.isclose(score, frozen_score, rel_tol=0, abs_tol=1e-5)


def test_the_frozen_spec_reads_as_it_was_written():
    assert from_json(read_json(FACTS)["spec"], Seq2SeqSpec) == SPEC
    assert WEIGHTS.stat().st_size + FACTS.stat().st_size <= 60_000


def test_the_frozen_checkpoint_finds_the_same_targets_with_the_same_scores():
    model, facts = frozen()
    assert_equal(searched(model, facts["sources"]), facts["found"])


def test_the_frozen_checkpoint_draws_the_same_samples():
    model, facts = frozen()
    assert_equal(drawn(model, facts["sources"]), facts["drawn"])


def test_the_frozen_checkpoint_learns_along_the_same_curve():
    model, facts = frozen()
    losses = curve(model, facts["sources"], facts["targets"])
    assert losses == pytest.approx(facts["curve"], rel=0, abs=1e-4)
    assert losses[-1] < losses[0] - 0.5


def freeze():
    """Write the checkpoint and what it says; choose weights whose choices no float noise can turn."""
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)

    def rows():
        lengths = torch.randint(1, 11, (16,), generator=generator).tolist()
        return [
            [*torch.randint(3, VOCABULARY, (length,), generator=generator).tolist(), EOS]
            for length in lengths
        ]

    sources, targets = rows(), rows()
    model = SPEC.build(VOCABULARY, VOCABULARY).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.15 * torch.randn(parameter.shape, generator=generator))
    wider = SearchOptions(**{**vars(SEARCH), "n_best": 4})
    for found in searched(model, sources, wider):
        scores = [score for _, score in found]
        gaps = [first - second for first, second in itertools.pairwise(scores)]
        assert min(gaps) > 1e-4, "two targets are all but equal: choose another seed"
    save_tensors(WEIGHTS, dict(model.named_parameters()), {})
    facts = {"spec": to_json(SPEC), "sources": sources, "targets": targets}
    facts |= {"found": searched(model, sources), "drawn": drawn(model, sources)}
    facts |= {"curve": curve(model, sources, targets)}
    FACTS.write_text(json.dumps(facts, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    freeze()
