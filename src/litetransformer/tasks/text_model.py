"""A loaded language model: how well it predicts text, and text that it writes."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from litetransformer.core.errors import InputError
from litetransformer.core.tokens import PAD
from litetransformer.data.tokenizer import Tokenizer
from litetransformer.decode.beam import beam_search
from litetransformer.decode.hypothesis import Hypothesis
from litetransformer.decode.options import SamplingOptions, SearchOptions
from litetransformer.decode.sampling import sample
from litetransformer.models.language_model import LanguageModel
from litetransformer.tasks.model_folder import LanguageCard, load_language_model
from litetransformer.tasks.perplexity import Perplexity, read_tokens, token_log_probs


@dataclass(frozen=True)
class Generated:
    """A prompt and what was written after it.

    `tokens` are those written, their end not among them; `score` is their mean log-probability, the end's
    included. `finished` is False where the text was stopped before its line ended.
    """

    text: str
    score: float
    tokens: tuple[int, ...]
    finished: bool


class TextModel:
    """Perplexity of texts and continuations of prompts, by a model, its tokenizer and its window."""

    def __init__(
        self,
        model: LanguageModel,
        tokenizer: Tokenizer,
        *,
        window: int,
        context: int = 0,
        device: torch.device | str = "cpu",
        card: LanguageCard | None = None,
    ) -> None:
        self.model, self.tokenizer = model, tokenizer
        self.window, self.context = window, context
        self.device, self.card = torch.device(device), card

    def perplexity(
        self,
        lines: Iterable[str],
        *,
        window: int | None = None,
        context: int | None = None,
        batch_tokens: int = 4096,
    ) -> Perplexity:
        """How surprising `lines` are, as one text from a line's beginning; see `token_log_probs`.

        Window and context are the model's own unless given.

        Raises InputError where there is no line, or the context is as long as the window.
        """
        window = self.window if window is None else window
        context = min(self.context, window - 1) if context is None else context
        if not 0 <= context < window:
            remedy = f"choose from 0 to {window - 1}" if window > 0 else "a window has at least 1 token"
            raise InputError(
                f"{context} does not fit into a window of {window} tokens", field="context", remedy=remedy
            )
        tokens, counts = read_tokens(lines, self.tokenizer)
        if not counts.lines:
            raise InputError("there is no text to predict", remedy="give a line at least")
        found = token_log_probs(
            self.model, tokens, window=window, context=context, batch_tokens=batch_tokens, device=self.device
        )
        return Perplexity(nats=-float(found.double().sum()), tokens=len(tokens), counts=counts)

    def generate(
        self,
        prompts: Sequence[str],
        *,
        tokens: int | None = None,
        sampling: SamplingOptions | None = None,
        search: SearchOptions | None = None,
        seed: int = 0,
        first: int = 0,
        batch_tokens: int = 16_384,
    ) -> list[list[Generated]]:
        """Texts that begin with each prompt and go on to the line's end, or for at most `tokens` tokens.

        They are drawn as `sampling` says, by `seed` and the prompt's number, from `first` on; with `search`
        they are the likeliest instead. None depends on the other prompts. An empty prompt is the beginning of
        a line. Of a long one the model sees the end that leaves room in its window for `tokens`. Limits of
        length in the options count from the prompt's beginning; the longest is given by `tokens` alone.

        Unless given, `tokens` is 64, or half the window if that is less. Raises InputError for more than the
        window has, ValueError where both ways are given.
        """
        tokens = max(1, min(64, self.window // 2)) if tokens is None else tokens
        if sampling is not None and search is not None:
            raise ValueError("give either sampling or search")
        if not 1 <= tokens <= self.window:
            raise InputError(
                f"{tokens} tokens cannot follow from a window of {self.window}",
                field="tokens",
                remedy=f"choose from 1 to {self.window}",
            )
        encoded = [self.tokenizer.encode(prompt) for prompt in prompts]
        room = self.window - tokens
        seen = [prompt[max(0, len(prompt) - room) :] for prompt in encoded]
        seeds = [seed * 1_000_003 + first + number for number in range(len(prompts))]
        options = search or sampling or SamplingOptions()
        options = replace(options, longest_ratio=1.0, longest_extra=tokens, longest=self.window)
        width = options.beam if isinstance(options, SearchOptions) else options.samples
        rows = max(1, batch_tokens // (width * self.window))
        found: list[list[Generated]] = []
        for start in range(0, len(seen), rows):
            some = seen[start : start + rows]
            results = self._decode(some, options, seeds[start : start + rows])
            for whole, prompt, hypotheses in zip(encoded[start:], some, results, strict=False):
                found.append([self._generated(whole, prompt, hypothesis) for hypothesis in hypotheses])
        return found

    def stream(self, prompts: Iterable[Sequence[str]], **options: Any) -> Iterator[list[Generated]]:
        """The texts for every prompt of every group of prompts, each group as soon as it has come."""
        first = 0
        for group in prompts:
            yield from self.generate(group, first=first, **options)
            first += len(group)

    def _decode(
        self, prompts: Sequence[list[int]], options: SamplingOptions | SearchOptions, seeds: Sequence[int]
    ) -> list[list[Hypothesis]]:
        # The model reads no source; given as one, a prompt says how long its own text may become.
        source = torch.full((len(prompts), max(1, *map(len, prompts))), PAD)
        for row, prompt in enumerate(prompts):
            source[row, : len(prompt)] = torch.tensor(prompt, dtype=torch.long)
        source = source.to(self.device)
        if isinstance(options, SearchOptions):
            return beam_search(self.model, source, source == PAD, options, prefix=prompts)
        return sample(self.model, source, source == PAD, options, seeds=seeds, prefix=prompts)

    def _generated(self, whole: list[int], prompt: list[int], hypothesis: Hypothesis) -> Generated:
        own = hypothesis.tokens[len(prompt) :]
        # Where a text was stopped, the end's log-probability says nothing about it.
        scored = hypothesis.log_probs[len(prompt) : len(hypothesis.tokens) + hypothesis.finished]
        return Generated(
            text=self.tokenizer.decode([*whole, *own]),
            score=sum(scored) / max(1, len(scored)),
            tokens=own,
            finished=hypothesis.finished,
        )


def load(folder: Path | str, *, device: torch.device | str = "cpu") -> TextModel:
    """The language model in a folder; nothing in the folder is run.

    Raises InputError naming the file that is missing, damaged, of another version, or for another task.
    """
    model, card, tokenizer = load_language_model(Path(folder))
    return TextModel(
        model.to(device), tokenizer, window=card.window, context=card.context, device=device, card=card
    )
