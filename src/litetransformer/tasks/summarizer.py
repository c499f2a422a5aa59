"""A loaded model that summarizes documents."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from litetransformer.tasks.text_to_text import Output, TextToText, load_text_to_text


class Summarizer(TextToText):
    """Writes a summary of each document, a line each; it never depends on the other documents.

    Of a document no more is read than its first `truncate_source` tokens.
    """

    def summarize(
        self, documents: Sequence[str], *, batch_tokens: int | None = None, **options: Any
    ) -> list[str]:
        """The best summary of each document, in order.

        `options` override the model's own search (`beam`, `shortest`, `longest`, `no_repeat_ngram`, …).
        `batch_tokens` bounds the tokens that are searched at once (`tokens_at_once` unless told); it changes
        speed and memory alone.
        """
        return self.best(documents, batch_tokens=batch_tokens, **options)

    def summaries(
        self, documents: Sequence[str], *, batch_tokens: int | None = None, **options: Any
    ) -> list[list[Output]]:
        """The `n_best` summaries of each document with their scores, best first.

        `options` are those of `summarize`, and `prefixes`, `sampling`, `seed` and `first`: see `outputs`.
        """
        return self.outputs(documents, batch_tokens=batch_tokens, **options)


def load(folder: Path | str, *, device: torch.device | str = "cpu") -> Summarizer:
    """The summarizer in a model folder; nothing in the folder is run.

    Raises InputError naming the file that is missing, damaged, of another version, or for another task.
    """
    return load_text_to_text(Summarizer, Path(folder), task="summarization", device=device)
