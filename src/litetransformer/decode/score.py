"""Corpus scores of translations, each with the signature that makes it comparable."""

import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Literal

from sacrebleu.metrics.base import Metric
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.significance import PairedTest, Result

from litetransformer.core.errors import InputError, MissingExtraError

Mode = Literal["sacrebleu", "paper", "paper-cased", "paper-compound"]
Reference = str | None
"""A reference; None where a line has fewer of them than others."""


@dataclass(frozen=True)
class Score:
    """A corpus score from 0 to 100 and how it was computed."""

    name: str
    value: float
    signature: str

    def __str__(self) -> str:
        return f"{self.name} {self.value:.2f} ({self.signature})"


@dataclass(frozen=True)
class Comparison:
    """A system and a baseline on the same lines: paired bootstrap resampling.

    The intervals hold 95% of the resampled scores; `p_value` is the probability of a difference at least this
    large if the systems were equal.
    """

    name: str
    system: float
    system_interval: tuple[float, float]
    baseline: float
    baseline_interval: tuple[float, float]
    p_value: float
    signature: str


def _sacrebleu(language: str) -> BLEU:
    """sacreBLEU's metric for a language, whatever its code says of region or script."""
    code = language.replace("_", "-").split("-")[0].lower()
    try:
        return BLEU(trg_lang=code)
    except RuntimeError as error:
        raise InputError(
            f"BLEU of this language needs a package of sacreBLEU's that is not installed: {code}",
            field="language",
            remedy=f"pip install 'sacrebleu[{code}]'",
        ) from error


def bleu(
    hypotheses: Sequence[str],
    references: Sequence[Sequence[Reference]],
    *,
    mode: Mode = "sacrebleu",
    language: str = "en",
) -> Score:
    """The BLEU of `hypotheses`, plain text in the target `language`, against one or more lists of references.

    ``sacrebleu`` scores detokenised text, the number to publish. The others repeat the paper's evaluation on
    Moses tokens: ``paper`` lowercased (IWSLT), ``paper-cased`` as it is (WMT En-Fr), ``paper-compound`` also
    with compounds split at their hyphens (WMT En-De; `split_compounds`). Those three are comparable with the
    paper only.

    Raises InputError for unequal numbers of lines, MissingExtraError where Moses tokens need the extra.
    """
    check_lines(hypotheses, references)
    if mode == "sacrebleu":
        return _score(_sacrebleu(language), hypotheses, references)
    moses = _moses(language)
    compounds = mode == "paper-compound"

    def tokens(line: str) -> str:
        return split_compounds(moses(line)) if compounds else moses(line)

    # Without smoothing, as multi-bleu has it; `force` accepts text that is tokenised already.
    metric = BLEU(lowercase=mode == "paper", tokenize="none", smooth_method="none", force=True)
    score = _score(
        metric,
        [tokens(line) for line in hypotheses],
        [[None if line is None else tokens(line) for line in lines] for lines in references],
    )
    how = f"sacremoses:{version('sacremoses')}.{language}|compounds:{'split' if compounds else 'whole'}"
    return Score(score.name, score.value, f"{how}|{score.signature}")


def chrf(hypotheses: Sequence[str], references: Sequence[Sequence[Reference]]) -> Score:
    """The chrF2 of `hypotheses` against one or more lists of references, all plain text.

    Raises InputError for unequal numbers of lines.
    """
    check_lines(hypotheses, references)
    return _score(CHRF(), hypotheses, references)


def compare(
    system: Sequence[str],
    baseline: Sequence[str],
    references: Sequence[Sequence[Reference]],
    *,
    language: str = "en",
    resamples: int = 1000,
) -> Comparison:
    """Whether `system` differs from `baseline` in sacreBLEU beyond chance (Koehn 2004).

    The p-value of equal outputs is 1.

    Raises InputError for unequal numbers of lines.
    """
    check_lines(system, references)
    check_lines(baseline, references)
    test = PairedTest(
        [("baseline", baseline), ("system", system)],
        {"BLEU": _sacrebleu(language)},
        references,  # type: ignore[arg-type]
        test_type="bs",
        n_samples=resamples,
    )
    signatures, results = test()
    base, ours = (result for result in results["BLEU"] if isinstance(result, Result))
    assert ours.p_value is not None
    return Comparison(
        name="BLEU",
        system=ours.score,
        system_interval=_interval(ours),
        baseline=base.score,
        baseline_interval=_interval(base),
        # sacreBLEU counts only resamples beyond the real difference, so that none at all would look certain.
        p_value=1.0 if list(system) == list(baseline) else ours.p_value,
        signature=str(signatures["BLEU"]),
    )


def split_compounds(line: str) -> str:
    """`line` with the hyphens inside words as tokens of their own.

    ``up-to-date`` becomes ``up ##AT##-##AT## to ##AT##-##AT## date``. A letter serves one hyphen only, as in
    the evaluation scripts: ``a-b-c`` becomes ``a ##AT##-##AT## b-c``.
    """
    return re.sub(r"(\S)-(\S)", r"\1 ##AT##-##AT## \2", line)


def _score(metric: Metric, hypotheses: Sequence[str], references: Sequence[Sequence[Reference]]) -> Score:
    # sacreBLEU takes None for a reference that a line lacks, though its annotations do not say so.
    result = metric.corpus_score(hypotheses, references)  # type: ignore[arg-type]
    return Score(result.name, result.score, str(metric.get_signature()))


def _interval(result: Result) -> tuple[float, float]:
    assert result.mean is not None
    assert result.ci is not None
    return float(result.mean - result.ci), float(result.mean + result.ci)


def _moses(language: str) -> Callable[[str], str]:
    """Moses tokenisation as the paper's data has it: words keep their hyphens, special characters escaped."""
    try:
        import sacremoses  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("BLEU on Moses tokens", "paper") from error
    return functools.partial(_moses_tokens, language)


@functools.lru_cache(maxsize=50_000)
def _moses_tokens(language: str, line: str) -> str:
    # Kept, as who scores many models scores them on the same references: half of the time that BLEU takes.
    found: str = _moses_tokenizer(language).tokenize(line, return_str=True)
    return found


@functools.lru_cache(maxsize=8)
def _moses_tokenizer(language: str) -> Any:
    from sacremoses import MosesTokenizer

    return MosesTokenizer(lang=language)


def check_lines(hypotheses: Sequence[str], references: Sequence[Sequence[Reference]]) -> None:
    """Raise InputError unless there are lines, and every one has a place in each list and a reference."""
    for lines in references:
        if len(lines) != len(hypotheses):
            raise InputError(
                f"{len(hypotheses)} hypotheses but {len(lines)} references",
                remedy="every line needs its own, empty ones too",
            )
    if not references or not hypotheses:
        raise InputError("nothing to score", remedy="give at least one line and its reference")
    for number, known in enumerate(references_by_line(references), 1):
        if not known:
            raise InputError(f"line {number} has no reference", remedy="give each line one at least")


def references_by_line(references: Sequence[Sequence[Reference]]) -> list[list[str]]:
    """The references of each line, from lists that each hold one or none for every line."""
    return [[text for text in known if text is not None] for known in zip(*references, strict=True)]
