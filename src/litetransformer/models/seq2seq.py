"""The encoder-decoder: a source and the target so far in, the next token out."""

from collections import Counter
from collections.abc import Iterator
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from litetransformer.core.tokens import PAD
from litetransformer.layers.embedding import Embedding, drawn, positions_of
from litetransformer.layers.linear import LayerNorm
from litetransformer.layers.stack import Stack
from litetransformer.layers.sublayer import Costs, Shared, Sublayer, Tree
from litetransformer.models.model import Model
from litetransformer.ops.consistency import consistent_cross_entropy
from litetransformer.ops.cross_entropy import cross_entropy


class Seq2Seq(Model):
    """log P(target | source), whole for training (`forward`) and a token at a time (`begin`, `advance`).

    `tied` joins tables: ``target`` the target's and the output's, ``all`` the source's too, which takes one
    vocabulary for both sides. `final_norm` adds the LayerNorm that ends a pre-norm stack.
    """

    def __init__(
        self,
        encoder: Stack,
        decoder: Stack,
        *,
        source_vocabulary: int,
        target_vocabulary: int,
        dropout: float = 0.0,
        final_norm: bool = False,
        tied: Literal["none", "target", "all"] = "none",
    ) -> None:
        super().__init__()
        if tied == "all" and source_vocabulary != target_vocabulary:
            raise ValueError(
                f"tied='all' needs one vocabulary, not {source_vocabulary} source and {target_vocabulary} "
                "target tokens; train a joint tokenizer or use tied='target'"
            )
        self.vocabulary, self.dim = target_vocabulary, encoder.dim
        self.encoder, self.decoder = encoder, decoder
        self.source_embedding = Embedding(source_vocabulary, encoder.dim, dropout=dropout)
        self.target_embedding = Embedding(target_vocabulary, decoder.dim, dropout=dropout)
        self.encoder_norm = LayerNorm(encoder.dim) if final_norm else nn.Identity()
        self.decoder_norm = LayerNorm(decoder.dim) if final_norm else nn.Identity()
        self.output = nn.Linear(decoder.dim, target_vocabulary, bias=False)
        drawn(self.output.weight)
        if tied == "all":
            self.source_embedding.weight = self.target_embedding.weight
        if tied != "none":
            self.output.weight = self.target_embedding.weight

    def forward(self, source: Int[Tensor, "B S"], target_in: Int[Tensor, "B T"]) -> Float[Tensor, "B T V"]:
        """Logits of each next target token, given the true ones before it."""
        return self.output(self.features(source, target_in))

    def loss(self, *batch: Tensor, smoothing: float = 0.0, consistency: float = 0.0) -> Float[Tensor, ""]:
        """The summed loss, in nats, of a batch ``(source, target_in, target_out)``."""
        source, target_in, target_out = batch
        if consistency:
            twice = self.features(torch.cat([source, source]), torch.cat([target_in, target_in]))
            return consistent_cross_entropy(twice, self.output.weight, target_out, smoothing, consistency)
        return cross_entropy(self.features(source, target_in), self.output.weight, target_out, smoothing)

    def features(self, source: Int[Tensor, "B S"], target_in: Int[Tensor, "B T"]) -> Float[Tensor, "B T D"]:
        """What `output` turns into logits.

        Targets are padded on the right only, where causality keeps padding from every real position.
        """
        pad = source == PAD
        memory = self.decoder.remember(self.encode(source, pad), pad)
        positions = torch.arange(target_in.shape[1], device=target_in.device)
        return self.decoder_norm(self.decoder(self.target_embedding(target_in, positions), None, memory))

    def encode(self, source: Int[Tensor, "B S"], pad: Bool[Tensor, "B S"]) -> Float[Tensor, "B S D"]:
        """The encoded source; padding may lie on either side and changes nothing."""
        return self.encoder_norm(self.encoder(self.source_embedding(source, positions_of(pad)), pad))

    def begin(self, source: Int[Tensor, "B S"], pad: Bool[Tensor, "B S"]) -> tuple[Tree, Tree]:
        """State (how many tokens so far, the decoder's) and memory for `advance`; `decode.protocol`."""
        # Every step would make numbers of a mask, also of one that hides nothing.
        memory = self.decoder.remember(self.encode(source, pad), pad if pad.any() else None)
        return (Shared((pad.new_zeros(1, dtype=torch.long),)), self.decoder.start(len(source))), memory

    def advance(
        self, tokens: Int[Tensor, " N"], state: Tree, memory: Tree
    ) -> tuple[Float[Tensor, "N V"], Tree]:
        """Log-probabilities of the token after `tokens`, and the next state."""
        (position,), inner = state
        x = self.target_embedding(tokens[:, None], position)
        x, inner = self.decoder.step(x, inner, memory)
        logits = self.output(self.decoder_norm(x[:, 0]))
        return logits.float().log_softmax(-1), (Shared((position + 1,)), inner)

    def mult_adds(self, source: int = 30, target: int = 30) -> Costs:
        """Multiply-accumulates of one teacher-forced pair by component, ``output`` being the vocabulary's."""
        costs = self.encoder.mult_adds(source) + self.decoder.mult_adds(target, source)
        costs["norm"] += self.dim * (source + target) if isinstance(self.encoder_norm, LayerNorm) else 0
        return costs + Counter(output=self.dim * self.vocabulary * target)

    def layers(self, source: int, target: int) -> Iterator[tuple[str, Sublayer, Costs]]:
        for side, length in (("encoder", source), ("decoder", target)):
            for index, layer in enumerate(getattr(self, side).inner):
                yield f"{side}.{index}", layer, layer.mult_adds(length, source)
