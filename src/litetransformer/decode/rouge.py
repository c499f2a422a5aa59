"""ROUGE: how much of its references a summary holds, as corpus scores with a signature each."""

import re
import unicodedata
from collections.abc import Sequence
from importlib.metadata import version
from statistics import fmean
from typing import Any

from litetransformer.core.errors import MissingExtraError
from litetransformer.decode.score import Reference, Score, check_lines, references_by_line

NAMES = {"rouge1": "ROUGE-1", "rouge2": "ROUGE-2", "rougeL": "ROUGE-L", "rougeLsum": "ROUGE-Lsum"}

# Where a sentence ends within a line: after its mark, and quotes or brackets that close behind it.
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"'”’)\]]*\s+")
_WORD = re.compile(r"[^\W_]+")


def rouge(
    hypotheses: Sequence[str], references: Sequence[Sequence[Reference]], *, language: str = "en"
) -> list[Score]:
    """ROUGE-1, -2, -L and -Lsum of `hypotheses` against one or more lists of references.

    Each is the mean over lines of the F1 of a line, from 0 to 100; a line with several references has that of
    the best one, for each score by itself. ROUGE-1 and -2 count common words and pairs of words. ROUGE-L
    takes the longest common subsequence of the two whole texts; ROUGE-Lsum that of every pair of sentences,
    which is what papers on CNN/DailyMail call ROUGE-L. Sentences end at ``.``, ``!`` or ``?``.

    English (`language` ``en``) is compared as the original ROUGE does it: ASCII letters and digits, in
    lowercase, stemmed. Other languages keep all their letters and are not stemmed; their words must be set
    apart by spaces or signs.

    Raises InputError for unequal numbers of lines, MissingExtraError without the extra ``eval``.
    """
    check_lines(hypotheses, references)
    english = language.partition("-")[0].partition("_")[0] == "en"
    scorer = _scorer(english)
    totals: dict[str, list[float]] = {name: [] for name in NAMES}
    by_line = references_by_line(references)
    for hypothesis, known in zip(hypotheses, by_line, strict=True):
        found = scorer.score_multi([_sentences(text) for text in known], _sentences(hypothesis))
        for name, values in totals.items():
            values.append(100.0 * found[name].fmeasure)
    counts = {len(known) for known in by_line}
    return [
        Score(NAMES[name], fmean(values), _signature(name, english, counts))
        for name, values in totals.items()
    ]


def _signature(name: str, english: bool, counts: set[int]) -> str:
    references = str(*counts) if len(counts) == 1 else "var"
    facts = [
        f"nrefs:{references}",
        "case:lc",
        f"tok:{'ascii' if english else 'unicode'}",
        f"stem:{'porter' if english else 'no'}",
        *(["sent:punct"] if name == "rougeLsum" else []),
        "score:f1",
        f"version:rouge-score-{version('rouge-score')}",
    ]
    return "|".join(facts)


def _sentences(text: str) -> str:
    """`text` with a line for each sentence."""
    return _SENTENCE_END.sub(lambda end: f"{end[0].rstrip()}\n", text)


class _Words:
    """A tokenizer for any language that sets its words apart."""

    def tokenize(self, text: str) -> list[str]:
        return _WORD.findall(unicodedata.normalize("NFC", text).lower())


def _scorer(english: bool) -> Any:
    try:
        from rouge_score.rouge_scorer import RougeScorer
    except ImportError as error:
        raise MissingExtraError("ROUGE", "eval") from error
    # Given a tokenizer, the scorer takes that alone.
    return RougeScorer(list(NAMES), use_stemmer=english, tokenizer=None if english else _Words())
