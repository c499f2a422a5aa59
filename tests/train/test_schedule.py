"""The learning rate at each update, against values worked out by hand."""

import math

import pytest

from litetransformer.train.optimizer import Adam
from litetransformer.train.recipe import Training
from litetransformer.train.schedule import Cosine, InverseSqrt


@pytest.mark.parametrize(
    ("update", "rate"),
    [
        (1, 0.1 + 0.9 / 4),
        (2, 0.55),
        (3, 0.1 + 2.7 / 4),
        (4, 1.0),
        (16, 0.5),
        (400, 0.1),
        (10_000, 0.02),
    ],
)
def test_inverse_sqrt_rises_in_a_line_to_the_peak_and_falls_with_the_root(update, rate):
    assert InverseSqrt(peak=1.0, warmup=4, start=0.1).rate(update) == pytest.approx(rate, rel=1e-12)


@pytest.mark.parametrize(
    ("update", "rate"),
    [
        (1, 0.2 + 0.8 / 10),
        (5, 0.6),
        (10, 1.0),
        (15, 0.1 + 0.9 * (1 + math.sqrt(0.5)) / 2),
        (20, 0.55),
        (30, 0.1),
        (31, 0.1),
        (10_000, 0.1),
    ],
)
def test_cosine_rises_in_a_line_and_falls_by_half_a_cosine_to_its_end(update, rate):
    schedule = Cosine(peak=1.0, warmup=10, period=20, start=0.2, end=0.1)
    assert schedule.rate(update) == pytest.approx(rate, rel=1e-12)


def test_the_defaults_are_the_papers():
    iwslt, wmt = InverseSqrt(), Cosine()
    assert (iwslt.rate(4000), iwslt.rate(16_000)) == pytest.approx((5e-4, 2.5e-4))
    assert (wmt.rate(10_000), wmt.rate(30_000), wmt.rate(50_000)) == pytest.approx((1e-3, 5.0005e-4, 1e-7))


def test_a_schedule_may_begin_at_its_peak():
    assert InverseSqrt(peak=2.0, warmup=1).rate(1) == 2.0
    assert Cosine(peak=2.0, warmup=0, period=4, end=0.0).rate(4) == 0.0


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        (InverseSqrt, {"warmup": 0}, "warmup=0 would make every rate 0; choose 1"),
        (InverseSqrt, {"warmup": -1}, "warmup=-1 must not be negative"),
        (InverseSqrt, {"peak": 0.0}, "peak=0.0 must be a positive learning rate"),
        (InverseSqrt, {"start": -1e-7}, "a learning rate of -1e-07 must not be negative"),
        (Cosine, {"end": -1.0}, "a learning rate of -1.0 must not be negative"),
        (Cosine, {"period": 0}, "period=0 must be at least 1 update"),
        (Adam, {"betas": (0.9, 1.0)}, r"betas=\(0.9, 1.0\) must be in \[0, 1\)"),
        (Adam, {"eps": 0.0}, "eps=0.0 must be positive"),
        (Adam, {"weight_decay": -0.1}, "weight_decay=-0.1 must not be negative"),
        (Training, {"updates": 0}, "updates=0 must be at least 1"),
        (Training, {"clip": -1.0}, "clip=-1.0 must not be negative; 0 clips nothing"),
        (Training, {"save_every": -1}, "save_every=-1 must not be negative; 0 saves every minute"),
        (Training, {"validate_every": -1}, "must not be negative; 0 validates after every epoch"),
        (Training, {"patience": -1}, "patience=-1 must not be negative; 0 never stops early"),
        (Training, {"seed": -1}, "seed=-1 must be from 0"),
        (Training, {"seed": 2**32}, "must be from 0"),
        (Training, {"label_smoothing": 1.0}, r"label_smoothing=1.0 must be in \[0, 1\)"),
        (Training, {"consistency": -1.0}, "consistency=-1.0 must not be negative; 0 runs each batch once"),
        (Training, {"ema_decay": 1.0}, r"ema_decay=1.0 must be in \[0, 1\)"),
        (Training, {"ema_decay": 0.9, "keep": "average"}, "are two averages; choose one"),
        (Training, {"batch_tokens": 100}, "batch_tokens=100 must hold one sentence of longest=256 tokens"),
    ],
)
def test_settings_that_cannot_train_are_refused(kind, fields, message):
    with pytest.raises(ValueError, match=message):
        kind(**fields)
