"""A trained model trained a little more while it is compressed: zeros that grow, values that are shared."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import torch

from litetransformer.compress.prune import Masks, cubic
from litetransformer.compress.quantize import Quantized
from litetransformer.compress.shared import SharedValues
from litetransformer.core.errors import InputError
from litetransformer.data.batching import BatchPlan
from litetransformer.data.store import TokenStore
from litetransformer.models.model import Model
from litetransformer.tasks.recipe import Recipe
from litetransformer.tasks.record import DATA
from litetransformer.tasks.run import RECIPE, read_recipe
from litetransformer.train.recipe import Training
from litetransformer.train.schedule import Cosine
from litetransformer.train.step import Step

RAMP = 2 / 3
"""The share of the pruning's updates in which zeros are added; the rest recovers from the last of them."""
MASK_EVERY = 10
"""Updates between two choices of the zeros."""

Progress = Callable[[int, int], None]


class FineTuning:
    """Updates of `model` on the batches of `store`, at rates that rise and fall again within each stage."""

    def __init__(
        self,
        model: Model,
        store: TokenStore,
        training: Training,
        *,
        device: torch.device,
        peak: float,
        progress: Progress = lambda _done, _all: None,
    ) -> None:
        self.model, self.training, self.device, self.peak = model, training, device, peak
        self.plan = BatchPlan(
            store, budget=training.batch_tokens, seed=training.seed, fixed=device.type == "cuda"
        )
        self.epoch, self.progress = 0, progress

    def prune(self, shares: Mapping[str, float], updates: int) -> Masks:
        """Train while the zeros of each tensor grow to their share, and then with exactly those."""
        weights = dict(self.model.named_parameters())
        masks, end = Masks(), max(1, round(RAMP * updates))

        def choose(update: int) -> None:
            nonlocal masks
            if update <= end and (update % MASK_EVERY == 0 or update == end):
                now = {name: cubic(update, begin=0, end=end, final=share) for name, share in shares.items()}
                masks = Masks.of(weights, now)
            masks.apply(weights)

        training = self._training(updates)
        self._train(training.optimizer.build(self.model), training, choose)
        return masks

    def share(self, quantized: Mapping[str, Quantized], updates: int) -> dict[str, Quantized]:
        """Train the values of the quantized tensors, and what is not quantized; the codes stay."""
        shared = SharedValues(self.model, quantized)
        training = self._training(updates)
        optimizer = training.optimizer.build(shared)
        shared.attach(optimizer)
        self._train(optimizer, training, lambda _update: None)
        return shared.result()

    def _training(self, updates: int) -> Training:
        warmup = updates // 10
        schedule = Cosine(peak=self.peak, warmup=warmup, period=max(1, updates - warmup))
        return replace(self.training, updates=updates, schedule=schedule)

    def _train(
        self, optimizer: torch.optim.Optimizer, training: Training, after: Callable[[int], None]
    ) -> None:
        step, update = Step(self.model, optimizer, training, self.device), 0
        while update < training.updates:
            for batch in self.plan.epoch(self.epoch)[: training.updates - update]:
                step([self.plan.load(batch)], update + 1, f"epoch {self.epoch}")
                update += 1
                after(update)
                self.progress(update, training.updates)
            self.epoch += 1
        # Raises if an update was not finite.
        step.read()
        self.model.zero_grad(set_to_none=True)
        self.model.eval()


def own_store(folder: Path) -> TokenStore | None:
    """The training text that a run's folder still has, as tokens; None where it has none."""
    place = folder / DATA / "train"
    if not place.is_dir():
        return None
    store = TokenStore(place)
    store.verify()
    return store


def training_of(folder: Path, store: TokenStore) -> Training:
    """How the run in `folder` was trained; where it does not say, as recipes are unless they say else.

    Raises InputError for texts with a longer row than its batches take.
    """
    recipe = read_recipe(folder) if (folder / RECIPE).is_file() else None
    training = recipe.train if isinstance(recipe, Recipe) else Training()
    longest = max(int(store.source_lengths.max()), int(store.target_lengths.max()))
    if longest > training.batch_tokens:
        raise InputError(f"a line of {longest} tokens, more than a batch", path=folder / RECIPE)
    return replace(training, accumulate=1)
