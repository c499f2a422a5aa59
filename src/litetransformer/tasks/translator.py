"""A loaded model that translates lines."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from litetransformer.tasks.text_to_text import Output, TextToText, load_text_to_text


class Translator(TextToText):
    """Translates lines with a model and its tokenizers; a line's result never depends on the other lines."""

    def translate(
        self, lines: Sequence[str], *, batch_tokens: int | None = None, **options: Any
    ) -> list[str]:
        """The best translation of each line, in order.

        `options` override the model's own search (`beam`, `length_penalty`, `longest`, …). `batch_tokens`
        bounds the tokens that are searched at once (`tokens_at_once` unless told); it changes speed and
        memory alone.
        """
        return self.best(lines, batch_tokens=batch_tokens, **options)

    def translations(
        self, lines: Sequence[str], *, batch_tokens: int | None = None, **options: Any
    ) -> list[list[Output]]:
        """The `n_best` translations of each line with their scores, best first.

        `options` are those of `translate`, and `prefixes`, `sampling`, `seed` and `first`: see `outputs`.
        """
        return self.outputs(lines, batch_tokens=batch_tokens, **options)


def load(folder: Path | str, *, device: torch.device | str = "cpu") -> Translator:
    """The translator in a model folder; nothing in the folder is run.

    Raises InputError naming the file that is missing, damaged, of another version, or for another task.
    """
    return load_text_to_text(Translator, Path(folder), task="translation", device=device)
