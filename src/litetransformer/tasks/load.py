"""A model folder opened as what its card says that it is."""

from collections.abc import Callable
from pathlib import Path

import torch

from litetransformer.core.errors import InputError
from litetransformer.tasks import summarizer, text_model, translator
from litetransformer.tasks.model_folder import VERBS, read_card
from litetransformer.tasks.summarizer import Summarizer
from litetransformer.tasks.text_model import TextModel
from litetransformer.tasks.translator import Translator

TEXT_TO_TEXT = {"translation": Translator, "summarization": Summarizer}
"""What writes text for text in each of these tasks."""

_LOADERS: dict[str, Callable[..., Translator | Summarizer | TextModel]] = {
    "translation": translator.load,
    "summarization": summarizer.load,
    "language-modeling": text_model.load,
}


def load(folder: Path | str, *, device: torch.device | str = "cpu") -> Translator | Summarizer | TextModel:
    """The translator, summarizer or language model in a folder; nothing in the folder is run.

    Raises InputError naming the file that is missing, damaged, or of another version.
    """
    return _LOADERS[read_card(Path(folder)).task](folder, device=device)


def load_writer(folder: Path | str, *, device: torch.device | str = "cpu") -> Translator | Summarizer:
    """What `load` gives, if it writes text for text; InputError for a language model, which has no source."""
    found = load(folder, device=device)
    if isinstance(found, TextModel):
        remedy = f"use `{VERBS['language-modeling']}`"
        raise InputError("a model for language-modeling", path=folder, field="task", remedy=remedy)
    return found
