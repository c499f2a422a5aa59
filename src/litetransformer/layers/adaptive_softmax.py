"""Tables that spend their width on frequent tokens, at the input and at the output of a language model.

Token ids fall in frequency, so `cutoffs` (20,000 and 60,000 in the paper) part the vocabulary into clusters
of ids: the first D wide, each later one `factor` times narrower than the one before it (PAPER §2).
"""

import itertools
import math
from collections import Counter
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from litetransformer.core.tokens import PAD, UNK
from litetransformer.layers.embedding import drawn
from litetransformer.layers.softmax import Softmax, at_least_float, pick
from litetransformer.layers.sublayer import Costs
from litetransformer.ops.embedding.reference import sinusoids


class Cluster(NamedTuple):
    """The tokens from `start` up to `end` and the width of their vectors."""

    start: int
    end: int
    width: int

    def holds(self, tokens: Int[Tensor, "*N"]) -> Tensor:
        """Where `tokens` are of this cluster."""
        return (tokens >= self.start) & (tokens < self.end)

    def rows(self, tokens: Int[Tensor, "*N"]) -> Int[Tensor, "*N"]:
        """The rows of `tokens` in the cluster's table; some row for tokens of other clusters."""
        return (tokens - self.start).clamp(0, self.end - self.start - 1)


def clusters(vocabulary: int, dim: int, cutoffs: tuple[int, ...], factor: int) -> list[Cluster]:
    """The clusters of a vocabulary; ValueError for cutoffs that do not fit it or a width that runs out."""
    edges = (0, *cutoffs, vocabulary)
    if not cutoffs or cutoffs[0] <= UNK or any(low >= high for low, high in itertools.pairwise(edges)):
        raise ValueError(
            f"cutoffs={cutoffs} must rise from above {UNK} to below the vocabulary, {vocabulary} tokens; "
            "choose fewer or smaller ones"
        )
    widths = [dim // factor**index for index in range(len(edges) - 1)]
    if widths[-1] < 1:
        raise ValueError(
            f"dim={dim} is too narrow for {len(widths)} clusters of factor {factor}; use fewer cutoffs"
        )
    return [
        Cluster(start, end, width)
        for (start, end), width in zip(itertools.pairwise(edges), widths, strict=True)
    ]


class AdaptiveEmbedding(nn.Module):
    """dropout(√D · Pᵢ tableᵢ[token] + sinusoid(position)) for tokens of cluster i (Baevski and Auli 2019).

    Every cluster has a projection Pᵢ to D, the first one too. Shapes follow those of the tokens alone.
    """

    def __init__(
        self, vocabulary: int, dim: int, *, cutoffs: tuple[int, ...], factor: int = 4, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.dim, self.clusters = dim, clusters(vocabulary, dim, cutoffs, factor)
        self.tables = _tables(self.clusters)
        self.projections = _projections(self.clusters, dim)
        with torch.no_grad():
            self.tables[0][PAD] = 0.0
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, tokens: Int[Tensor, "B T"], positions: Int[Tensor, "B T"] | Int[Tensor, " T"]
    ) -> Float[Tensor, "B T D"]:
        """The vectors of `tokens` at `positions`."""
        first, *others = (
            F.linear(F.embedding(cluster.rows(tokens), table), projection).masked_fill(
                ~cluster.holds(tokens)[..., None], 0.0
            )
            for cluster, table, projection in zip(self.clusters, self.tables, self.projections, strict=True)
        )
        vectors = sum(others, first) * math.sqrt(self.dim)
        return self.dropout(vectors + sinusoids(positions, self.dim).to(vectors.dtype))

    def mult_adds(self, length: int) -> Costs:
        """The projection, D² T, as if all tokens were of the first and widest cluster (PAPER §4)."""
        return Counter(embedding=self.dim**2 * length)


class AdaptiveSoftmax(Softmax):
    """p(token) = p(cluster) · p(token | cluster) (Grave et al. 2017).

    The head's softmax runs over the first cluster's tokens and the other clusters; that of tail i over its
    tokens, with the logits tableᵢ dropout(Pᵢᵀ x). `tied` shares the tables and the tails' projections of an
    AdaptiveEmbedding; the head has no projection. `dropout` also falls on x itself.
    """

    def __init__(
        self,
        vocabulary: int,
        dim: int,
        *,
        cutoffs: tuple[int, ...],
        factor: int = 4,
        dropout: float = 0.0,
        tied: AdaptiveEmbedding | None = None,
    ) -> None:
        super().__init__()
        self.vocabulary, self.dim = vocabulary, dim
        self.head, *self.tails = clusters(vocabulary, dim, cutoffs, factor)
        # Lists of the same parameters, not the same lists: a module belongs in one place.
        self.tables = nn.ParameterList(tied.tables) if tied else _tables([self.head, *self.tails])
        self.projections = (
            nn.ParameterList(list(tied.projections)[1:]) if tied else _projections(self.tails, dim)
        )
        self.gates = nn.Parameter(nn.init.xavier_uniform_(torch.empty(len(self.tails), dim)))
        self.dropout = nn.Dropout(dropout)

    def log_probs(self, features: Float[Tensor, "*N D"]) -> Float[Tensor, "*N V"]:
        x = self.dropout(features)
        head = self._head(x)
        words, gates = head[..., : self.head.end], head[..., self.head.end :]
        tails = [gates[..., index, None] + self._tail(x, index) for index in range(len(self.tails))]
        return torch.cat([words, *tails], -1)

    def token_log_probs(
        self, features: Float[Tensor, "*N D"], tokens: Int[Tensor, "*N"]
    ) -> Float[Tensor, "*N"]:
        """Computed by cluster: a tail's table meets the vectors of its own tokens alone."""
        x, flat = self.dropout(features).flatten(0, -2), tokens.flatten()
        found = pick(self._head(x), self._head_rows(flat))
        for index, tail in enumerate(self.tails):
            (places,) = tail.holds(flat).nonzero(as_tuple=True)
            inside = pick(self._tail(x[places], index), tail.rows(flat[places]))
            found = found.index_add(0, places, inside)
        return found.view(tokens.shape)

    def token_log_probs_in_fixed_shape(
        self, features: Float[Tensor, "*N D"], tokens: Int[Tensor, "*N"]
    ) -> Float[Tensor, "*N"]:
        """The same as `token_log_probs`, every table meeting every vector.

        No shape depends on the tokens' values, so a GPU need not wait for them and the work can be recorded.
        That costs as many mult-adds, and as much memory, as all of `log_probs`.
        """
        x = self.dropout(features)
        found = pick(self._head(x), self._head_rows(tokens))
        for index, tail in enumerate(self.tails):
            inside = pick(self._tail(x, index), tail.rows(tokens))
            found = found + inside.masked_fill(~tail.holds(tokens), 0.0)
        return found

    def loss(
        self, features: Float[Tensor, "*N D"], targets: Int[Tensor, "*N"], smoothing: float = 0.0
    ) -> Float[Tensor, ""]:
        """By cluster on the CPU, in fixed shape elsewhere; smoothing needs all of the probabilities."""
        if smoothing:
            log_probs = self.log_probs(features)
            found = (1 - smoothing) * pick(log_probs, targets) + smoothing * log_probs.mean(-1)
        elif features.device.type == "cpu":
            found = self.token_log_probs(features, targets)
        else:
            found = self.token_log_probs_in_fixed_shape(features, targets)
        return -found.masked_fill(targets == PAD, 0.0).sum()

    def mult_adds(self, length: int) -> Costs:
        """The head's and, for each tail, the projection's and the table's."""
        tails = sum(self.dim * tail.width + (tail.end - tail.start) * tail.width for tail in self.tails)
        return Counter(output=(self.dim * (self.head.end + len(self.tails)) + tails) * length)

    def _head_rows(self, tokens: Tensor) -> Tensor:
        for index, tail in enumerate(self.tails):
            tokens = tokens.masked_fill(tail.holds(tokens), self.head.end + index)
        return tokens

    def _head(self, x: Tensor) -> Tensor:
        return at_least_float(F.linear(x, torch.cat([self.tables[0], self.gates]))).log_softmax(-1)

    def _tail(self, x: Tensor, index: int) -> Tensor:
        narrow = self.dropout(F.linear(x, self.projections[index].T))
        return at_least_float(F.linear(narrow, self.tables[index + 1])).log_softmax(-1)


def _tables(parts: list[Cluster]) -> nn.ParameterList:
    return nn.ParameterList(drawn(torch.empty(part.end - part.start, part.width)) for part in parts)


def _projections(parts: list[Cluster], dim: int) -> nn.ParameterList:
    return nn.ParameterList(nn.init.xavier_uniform_(torch.empty(dim, part.width)) for part in parts)
