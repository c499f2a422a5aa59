"""The decoder alone: the text so far in, the next token out."""

from collections import Counter
from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from litetransformer.layers.adaptive_softmax import AdaptiveEmbedding, AdaptiveSoftmax
from litetransformer.layers.embedding import Embedding
from litetransformer.layers.linear import LayerNorm
from litetransformer.layers.softmax import FullSoftmax, Softmax
from litetransformer.layers.stack import Stack
from litetransformer.layers.sublayer import Costs, Shared, Sublayer, Tree
from litetransformer.models.model import Model


class LanguageModel(Model):
    """log P(text), whole for training and perplexity, and a token at a time (`begin`, `advance`).

    A row may be padded on its right only, where causality keeps padding from every real position. With
    `cutoffs` the input and the softmax are adaptive, `factor` times narrower from cluster to cluster. `tied`
    joins their tables (and projections); `final_norm` adds a LayerNorm after the last layer;
    `output_dropout` falls on what the softmax sees.
    """

    def __init__(
        self,
        decoder: Stack,
        *,
        vocabulary: int,
        dropout: float = 0.0,
        final_norm: bool = False,
        cutoffs: tuple[int, ...] = (),
        factor: int = 4,
        tied: bool = True,
        output_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        dim = decoder.dim
        self.vocabulary, self.dim, self.decoder = vocabulary, dim, decoder
        self.norm = LayerNorm(dim) if final_norm else nn.Identity()
        self.embedding: Embedding | AdaptiveEmbedding
        self.output: Softmax
        if cutoffs:
            adaptive = AdaptiveEmbedding(vocabulary, dim, cutoffs=cutoffs, factor=factor, dropout=dropout)
            self.embedding = adaptive
            self.output = AdaptiveSoftmax(
                vocabulary,
                dim,
                cutoffs=cutoffs,
                factor=factor,
                dropout=output_dropout,
                tied=adaptive if tied else None,
            )
        else:
            full = Embedding(vocabulary, dim, dropout=dropout)
            self.embedding = full
            self.output = FullSoftmax(vocabulary, dim, dropout=output_dropout, tied=full if tied else None)

    def features(self, tokens: Int[Tensor, "B T"]) -> Float[Tensor, "B T D"]:
        """What `output` turns into the probabilities of each next token."""
        positions = torch.arange(tokens.shape[1], device=tokens.device)
        return self.norm(self.decoder(self.embedding(tokens, positions)))

    def log_probs(self, tokens: Int[Tensor, "B T"]) -> Float[Tensor, "B T V"]:
        """The log-probabilities of every token after each position."""
        return self.output.log_probs(self.features(tokens))

    def token_log_probs(
        self, tokens_in: Int[Tensor, "B T"], tokens_out: Int[Tensor, "B T"]
    ) -> Float[Tensor, "B T"]:
        """log P(tokens_out[t] | tokens_in[..t]) at each position, for perplexity."""
        return self.output.token_log_probs(self.features(tokens_in), tokens_out)

    def loss(self, *batch: Tensor, smoothing: float = 0.0, consistency: float = 0.0) -> Float[Tensor, ""]:
        """The summed loss, in nats, of a batch ``(tokens_in, tokens_out)``; PAD in the second has none."""
        if consistency:
            raise ValueError(f"consistency={consistency} is for models that read a source; leave it at 0")
        tokens_in, tokens_out = batch
        return self.output.loss(self.features(tokens_in), tokens_out, smoothing)

    def begin(self, source: Int[Tensor, "B S"], pad: Bool[Tensor, "B S"]) -> tuple[Tree, Tree]:
        """State (how many tokens so far, the decoder's) for as many rows as `source` has; no memory."""
        return (Shared((pad.new_zeros(1, dtype=torch.long),)), self.decoder.start(len(source))), ()

    def advance(
        self, tokens: Int[Tensor, " N"], state: Tree, memory: Tree
    ) -> tuple[Float[Tensor, "N V"], Tree]:
        """Log-probabilities of the token after `tokens`, and the next state."""
        (position,), inner = state
        x, inner = self.decoder.step(self.embedding(tokens[:, None], position), inner)
        return self.output.log_probs(self.norm(x[:, 0])).float(), (Shared((position + 1,)), inner)

    def mult_adds(self, source: int = 0, target: int = 30) -> Costs:
        """Multiply-accumulates of `target` tokens by component, ``output`` being the vocabulary's."""
        costs = self.decoder.mult_adds(target) + self.output.mult_adds(target)
        if isinstance(self.embedding, AdaptiveEmbedding):
            costs += self.embedding.mult_adds(target)
        if isinstance(self.norm, LayerNorm):
            costs += Counter(norm=self.dim * target)
        return costs

    def layers(self, source: int, target: int) -> Iterator[tuple[str, Sublayer, Costs]]:
        for index, layer in enumerate(self.decoder.inner):
            assert isinstance(layer, Sublayer)
            yield f"decoder.{index}", layer, layer.mult_adds(target)
