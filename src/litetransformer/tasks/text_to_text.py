"""Text in, text out: what a model writes for lines, whatever they hold."""

from abc import ABC
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import torch

from litetransformer.core.tokens import EOS, PAD
from litetransformer.data.tokenizer import Tokenizer
from litetransformer.decode.beam import beam_search
from litetransformer.decode.hypothesis import Hypothesis
from litetransformer.decode.options import SamplingOptions, SearchOptions
from litetransformer.decode.protocol import Decodable
from litetransformer.decode.sampling import sample
from litetransformer.tasks.model_folder import ModelCard, load_model

LONGEST_PIECE = 256
"""Source tokens read at once where sources are not cut; longer ones go in pieces: no model has seen them."""
BATCH_TOKENS = 4_096
"""Tokens searched at once on a CPU; on a GPU at least."""
BYTES_A_TOKEN = 1 << 18
"""A GPU's free memory for each token searched at once: four times what the paper's largest model takes.

Its time goes by the steps and hardly by their width."""


def tokens_at_once(device: torch.device) -> int:
    """Tokens searched at once on `device` unless told, all hypotheses counted: as many as suit it."""
    if device.type != "cuda":
        return BATCH_TOKENS
    # Others may share the device; what PyTorch keeps for this process, but doesn't use, is free to it.
    free, _ = torch.cuda.mem_get_info(device)
    kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return max(BATCH_TOKENS, (free + kept) // BYTES_A_TOKEN)


@dataclass(frozen=True)
class Output:
    """One text written for a line, and its score (mean log-probability a token at length penalty 1)."""

    text: str
    score: float
    tokens: tuple[int, ...]


class TextToText(ABC):  # noqa: B024 (a subclass only says what the text is)
    """Writes a text for each line, with a model and its tokenizers; none ever depends on the other lines.

    With `truncate_source` n, no more than the first n tokens of a line are read. With 0, a long line is cut
    into pieces of about equal length, whose texts are joined.
    """

    def __init__(
        self,
        model: Decodable,
        source: Tokenizer,
        target: Tokenizer,
        search: SearchOptions | None = None,
        *,
        truncate_source: int = 0,
        device: torch.device | str = "cpu",
        card: ModelCard | None = None,
    ) -> None:
        self.model, self.source, self.target = model, source, target
        self.search, self.truncate_source = search or SearchOptions(), truncate_source
        self.device, self.card = torch.device(device), card

    def best(self, lines: Sequence[str], *, batch_tokens: int | None = None, **options: Any) -> list[str]:
        """The best text for each line, in order.

        `options` override the model's own search (`beam`, `length_penalty`, `longest`, …). `batch_tokens`
        bounds the tokens that are searched at once (`tokens_at_once` unless told); it changes speed and
        memory alone.
        """
        return [found[0].text for found in self.outputs(lines, batch_tokens=batch_tokens, **options)]

    def outputs(
        self,
        lines: Sequence[str],
        *,
        prefixes: Sequence[str] | None = None,
        sampling: SamplingOptions | None = None,
        seed: int = 0,
        first: int = 0,
        batch_tokens: int | None = None,
        **options: Any,
    ) -> list[list[Output]]:
        """The `n_best` texts for each line with their scores, best first.

        A blank line has the empty text. `prefixes` are texts that the others begin with. With `sampling`,
        they are drawn instead of searched, by `seed` and the line's number, from `first` on.

        Raises ValueError unless there is one prefix for each line, TypeError for one text in place of lines.
        """
        if isinstance(lines, str | bytes):
            raise TypeError("lines are a list of texts; put a single one into brackets")
        if prefixes is not None and len(prefixes) != len(lines):
            raise ValueError(f"{len(prefixes)} prefixes for {len(lines)} lines; give each its own")
        search = replace(self.search, **options)
        pieces = [(number, piece) for number, line in enumerate(lines) for piece in self._pieces(line)]
        # A prefix begins the line's text, so it belongs to its first piece.
        begins = [index == 0 or pieces[index - 1][0] != number for index, (number, _) in enumerate(pieces)]
        forced = [
            self.target.encode(prefixes[number]) if prefixes is not None and begin else []
            for (number, _), begin in zip(pieces, begins, strict=True)
        ]
        seeds = [seed * 1_000_003 + first + number for number, _ in pieces]
        found = self._decode([tokens for _, tokens in pieces], forced, sampling, search, seeds, batch_tokens)
        by_line: list[list[list[Hypothesis]]] = [[] for _ in lines]
        for (number, _), hypotheses in zip(pieces, found, strict=True):
            by_line[number].append(hypotheses)
        return [self._joined(parts) for parts in by_line]

    def stream(self, lines: Iterable[Sequence[str]], **options: Any) -> Iterator[list[Output]]:
        """The outputs for every line of every group of lines, each group as soon as it has come."""
        first = 0
        for group in lines:
            yield from self.outputs(group, first=first, **options)
            first += len(group)

    def _pieces(self, line: str) -> Iterator[list[int]]:
        if not line.strip():
            return
        tokens = self.source.encode(line)
        if self.truncate_source:
            yield tokens[: self.truncate_source]
            return
        count = -(-len(tokens) // LONGEST_PIECE)
        for index in range(count):
            yield tokens[index * len(tokens) // count : (index + 1) * len(tokens) // count]

    def _decode(
        self,
        pieces: Sequence[list[int]],
        forced: Sequence[list[int]],
        sampling: SamplingOptions | None,
        search: SearchOptions,
        seeds: Sequence[int],
        batch_tokens: int | None,
    ) -> list[list[Hypothesis]]:
        found: list[list[Hypothesis]] = [[] for _ in pieces]
        width = search.beam if sampling is None else sampling.samples
        budget = (batch_tokens or tokens_at_once(self.device)) // width
        for batch in _batches([len(piece) + 1 for piece in pieces], max(1, budget)):
            rows = [pieces[index] for index in batch]
            source = torch.full((len(rows), max(map(len, rows)) + 1), PAD)
            for row, tokens in enumerate(rows):
                source[row, : len(tokens) + 1] = torch.tensor([*tokens, EOS])
            source = source.to(self.device)
            starts = [forced[index] for index in batch]
            if sampling is None:
                results = beam_search(self.model, source, source == PAD, search, prefix=starts)
            else:
                own = [seeds[index] for index in batch]
                results = sample(self.model, source, source == PAD, sampling, seeds=own, prefix=starts)
            for index, hypotheses in zip(batch, results, strict=True):
                found[index] = hypotheses
        return found

    def _joined(self, parts: list[list[Hypothesis]]) -> list[Output]:
        """The outputs for a line: those of its one piece, or of its pieces rank by rank, joined."""
        if not parts:
            return [Output("", 0.0, ())]
        ranks = min(map(len, parts))
        return [
            Output(
                text=" ".join(self.target.decode(part[rank].tokens) for part in parts),
                score=sum(part[rank].score for part in parts) / len(parts),
                tokens=tuple(token for part in parts for token in part[rank].tokens),
            )
            for rank in range(ranks)
        ]


Kind = TypeVar("Kind", bound=TextToText)


def load_text_to_text(kind: type[Kind], folder: Path, *, task: str, device: torch.device | str) -> Kind:
    """The model in `folder` as a `kind`, which is for models of `task`; InputError as in `load_model`."""
    model, card, source, target = load_model(folder, task)
    return kind(
        model.to(device),
        source,
        target,
        card.search,
        truncate_source=card.truncate_source,
        device=device,
        card=card,
    )


def _batches(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Indices of about equal lengths together, as many as `budget` tokens hold when padded; longest first."""
    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    start = 0
    while start < len(order):
        rows = max(1, budget // lengths[order[start]])
        yield order[start : start + rows]
        start += rows
