"""Ablations: a set's recipe with one thing changed, the paper's with one thing changed, and ours less one."""

import json
from dataclasses import dataclass

from litetransformer import Cosine, InverseSqrt, Training
from litetransformer.recipes._family import CONSISTENCY, EMA_DECAY, Family

BASE, PAPER, PLUS = "base", "paper", "plus"
_SUBWORD_DROPOUT = ("vocabulary.dropout=0.1", "vocabulary.draws=8")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One training of an ablation: a recipe by name, and what is changed in it, as by ``--set``.

    With `teacher`, another recipe's name, the training text is what that one's model makes of the sources.
    """

    recipe: str
    settings: tuple[str, ...] = ()
    teacher: str = ""


def rows(home: str, family: Family) -> dict[str, Row]:
    """The rows of the ablation of the set `home` by name; none where no variant is trained as in the paper.

    ``base`` is the recipe of the comparison at equal mult-adds, ``paper`` the paper's and ``plus`` the one
    that is to beat it; ``paper-transformer`` is the Transformer of as many mult-adds, trained as ``paper``
    is. The other rows change one thing: of ``paper`` or ``plus`` where their name begins so,
    else of ``base``.
    """
    variants = [name for name in family.variants if name.endswith(f"-{PAPER}")]
    if not variants:
        return {}
    variant, *baselines = variants
    model = family.twin(variant)
    base, paper, plus = (f"{home}/{name}" for name in (model, variant, f"{model}-{PLUS}"))
    own, ours = family.recipes[model], family.recipes[f"{model}-{PLUS}"]
    lower = _falling(ours.train).peak / 2
    others = [weight for weight in (0.0, 1.0, CONSISTENCY) if weight != ours.train.consistency]
    dropouts = [round(own.model.dropout + step, 2) for step in (-0.1, 0.1)]
    vocabulary = own.vocabulary.size // 2
    found: dict[str, dict[str, tuple[str, ...]]] = {
        base: {
            BASE: (),
            **{
                f"consistency-{weight:g}": (f"train.consistency={weight:g}",)
                for weight in (0.5, 1.0, CONSISTENCY)
            },
            "ema": (f"train.ema_decay={EMA_DECAY:g}",),
            **{f"dropout-{rate:g}": (f"model.dropout={rate:g}",) for rate in dropouts if rate > 0},
            "smoothing-0.2": ("train.label_smoothing=0.2",),
            "weight-decay-0.1": ("train.optimizer.weight_decay=0.1",),
            "muon": _by_muon(own.train),
            "untied": ("model.tied=none",),
            f"vocabulary-{vocabulary}": (f"vocabulary.size={vocabulary}",),
            "subword-dropout-0.1": _SUBWORD_DROPOUT,
            "updates-twice": _longer(own.train, 2),
        },
        paper: {
            PAPER: (),
            **_of_the_paper(family.recipes[variant].train),
            "paper-pre-norm": ("model.norm=pre",),
        },
        **{f"{home}/{name}": {f"{PAPER}-{name.partition('-')[0]}": ()} for name in baselines},
        plus: {
            PLUS: (),
            **{f"plus-consistency-{weight:g}": (f"train.consistency={weight:g}",) for weight in others},
            "plus-smoothing-0.2": ("train.label_smoothing=0.2",),
            "plus-ema-0": ("train.ema_decay=0",),
            f"plus-peak-{lower:g}": (f"train.schedule.peak={lower:g}",),
            f"plus-dropout-{dropouts[1]:g}": (f"model.dropout={dropouts[1]:g}",),
            "plus-muon": _by_muon(ours.train),
            "plus-subword-dropout-0.1": _SUBWORD_DROPOUT,
        },
    }
    changed = {
        name: Row(recipe=recipe, settings=settings)
        for recipe, changes in found.items()
        for name, settings in changes.items()
    }
    if family.teacher:
        teacher = f"{home}/{family.teacher}"
        changed["distilled"] = Row(recipe=base, teacher=teacher)
        changed["plus-distilled"] = Row(recipe=plus, teacher=teacher)
    return changed


def _of_the_paper(training: Training) -> dict[str, tuple[str, ...]]:
    """Changes of the paper's choice of weights and of its schedule, where they are not that already."""
    changes: dict[str, tuple[str, ...]] = {}
    if training.keep != "best":
        changes["paper-best"] = ("train.keep=best", "train.best_by=bleu")
    if isinstance(schedule := training.schedule, InverseSqrt):
        period = training.updates - schedule.warmup
        falling = {"type": "Cosine", "peak": schedule.peak, "warmup": schedule.warmup, "period": period}
        changes["paper-falling"] = (f"train.schedule={json.dumps(falling, separators=(',', ':'))}",)
    return changes


def _by_muon(training: Training) -> tuple[str]:
    """A setting for Muon in place of Adam, at the same rates."""
    chosen = {"type": "Muon", "weight_decay": training.optimizer.weight_decay}
    return (f"train.optimizer={json.dumps(chosen, separators=(',', ':'))}",)


def _longer(training: Training, factor: int) -> tuple[str, ...]:
    """Settings for `factor` times the updates, of a schedule with a fixed end."""
    schedule = _falling(training)
    return (
        f"train.updates={factor * training.updates}",
        f"train.schedule.warmup={factor * schedule.warmup}",
        f"train.schedule.period={factor * schedule.period}",
    )


def _falling(training: Training) -> Cosine:
    schedule = training.schedule
    assert isinstance(schedule, Cosine)
    return schedule
