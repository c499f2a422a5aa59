"""A trained model trained a little more while it is compressed: zeros that grow, values that are shared."""

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import torch

from litetransformer.compress.prune import Masks, cubic
from litetransformer.compress.quantize import Quantized
from litetransformer.compress.shared import SharedValues
from litetransformer.core.errors import InputError
from litetransformer.data.batching import BatchPlan, TrainingBatch
from litetransformer.data.epochs import Batch
from litetransformer.data.store import TokenStore, write_sides, write_store
from litetransformer.data.text_batching import SIDE, TextPlan
from litetransformer.models.language_model import LanguageModel
from litetransformer.models.model import Model
from litetransformer.tasks.model_folder import LanguageCard, read_card
from litetransformer.tasks.recipe import LanguageRecipe, Recipe
from litetransformer.tasks.record import DATA
from litetransformer.tasks.run import RECIPE, read_recipe
from litetransformer.tasks.text_model import TextModel
from litetransformer.tasks.yardstick import AnyModel, Texts
from litetransformer.train.optimizer import Adam
from litetransformer.train.prefetch import loaded
from litetransformer.train.recipe import Training
from litetransformer.train.schedule import Cosine
from litetransformer.train.step import Step

RAMP = 2 / 3
"""The share of the pruning's updates in which zeros are added; the rest recovers from the last of them."""
MASK_EVERY = 10
"""Updates between two choices of the zeros."""
ASSIGN_EVERY = 10
"""Updates between two choices of the codes."""
AHEAD = 8
"""Batches that are made ready while a GPU works."""
LARGEST_SCALE = 3.0
"""The most that a bit may cost in the end, relative to the plan's rates."""

AnyPlan: TypeAlias = BatchPlan | TextPlan

Progress = Callable[[int, int], None]


class FineTuning:
    """Updates of `model` on the batches of `plan`, at rates that rise and fall again within each stage.

    The optimiser is Adam whatever the model was trained with: what is left to mend is small, and `peak` means
    the same for every model.
    """

    def __init__(
        self,
        model: Model,
        plan: AnyPlan,
        training: Training,
        *,
        device: torch.device,
        peak: float,
        progress: Progress = lambda _done, _all: None,
    ) -> None:
        self.model, self.plan, self.device, self.peak = model, plan, device, peak
        self.training = replace(training, optimizer=Adam(), accumulate=1)
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

    def share(
        self,
        quantized: Mapping[str, Quantized],
        updates: int,
        *,
        rates: Mapping[str, float],
        fits: Callable[[Mapping[str, Quantized]], bool] = lambda _found: True,
    ) -> dict[str, Quantized]:
        """Train the values of the quantized tensors, what is not quantized, and which weight has which value.

        Codes follow the weights that are trained as if they were free, at the `rates` that `quantized` was
        made with. What comes out `fits`, if need be with fewer bits, unless no bits are left to save.
        """
        shared = SharedValues(self.model, quantized, rates)
        training = self._training(updates)
        optimizer = training.optimizer.build(shared)
        end = round(RAMP * updates)

        def follow(update: int) -> None:
            if update <= end and update % ASSIGN_EVERY == 0:
                shared.assign()

        shared.attach(optimizer)
        self._train(optimizer, training, follow)
        found, scale = shared.result(), 1.0
        while not fits(found) and scale < LARGEST_SCALE:
            scale *= 1.03
            shared.assign(scale)
            found = shared.result()
        return found

    def _training(self, updates: int) -> Training:
        warmup = updates // 10
        schedule = Cosine(peak=self.peak, warmup=warmup, period=max(1, updates - warmup))
        return replace(self.training, updates=updates, schedule=schedule)

    def _train(
        self,
        optimizer: torch.optim.Optimizer,
        training: Training,
        after: Callable[[int], None],
    ) -> None:
        step, update = Step(self.model, optimizer, training, self.device), 0
        on_gpu = self.device.type == "cuda"

        def load(batch: Batch) -> TrainingBatch:
            found = self.plan.load(batch)
            return found.pinned() if on_gpu else found

        while update < training.updates:
            batches = self.plan.epoch(self.epoch)[: training.updates - update]
            for batch in loaded(batches, load, AHEAD if on_gpu else 0):
                step([batch], update + 1, f"epoch {self.epoch}")
                update += 1
                after(update)
                self.progress(update, training.updates)
            self.epoch += 1
        # Raises if an update was not finite.
        step.read()
        optimizer.zero_grad(set_to_none=True)
        self.model.zero_grad(set_to_none=True)
        self.model.eval()


def plan_of(
    folder: Path, model: Model, store: TokenStore, training: Training, device: torch.device
) -> AnyPlan:
    """The batches of `store` that the model in `folder` is fine-tuned on."""
    fixed = device.type == "cuda"
    if not isinstance(model, LanguageModel):
        return BatchPlan(store, budget=training.batch_tokens, seed=training.seed, fixed=fixed)
    recipe = read_recipe(folder) if (folder / RECIPE).is_file() else None
    card = read_card(folder)
    assert isinstance(card, LanguageCard)
    block = recipe.block if isinstance(recipe, LanguageRecipe) else card.window
    budget = max(block, training.batch_tokens)
    return TextPlan(store, length=block, budget=budget, seed=training.seed, fixed=fixed)


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
    if SIDE in store.sides:
        return recipe.train if isinstance(recipe, LanguageRecipe) else Training(label_smoothing=0.0)
    training = recipe.train if isinstance(recipe, Recipe) else Training()
    longest = max(int(store.source_lengths.max()), int(store.target_lengths.max()))
    if longest > training.batch_tokens:
        raise InputError(f"a line of {longest} tokens, more than a batch", path=folder / RECIPE)
    return training


@contextlib.contextmanager
def tuning_store(
    folder: Path, model: AnyModel, train: Texts | None, updates: int
) -> Iterator[TokenStore | None]:
    """The tokens to fine-tune on, while the block runs; None where there are no updates to make."""
    if not updates:
        yield None
        return
    if train is None:
        if (found := own_store(folder)) is None:
            options = (
                "--train-source" if isinstance(model, TextModel) else "--train-source and --train-target"
            )
            remedy = f"name {options}, or leave out --updates"
            raise InputError("its training text is not here", path=folder, remedy=remedy)
        yield found
        return
    if bool(train.target) == isinstance(model, TextModel):
        what = "a language model has no target" if train.target else "the target is missing"
        raise InputError(
            what, path="--train-target", remedy="leave it out" if train.target else "name it too"
        )
    with tempfile.TemporaryDirectory(prefix="litetransformer-") as place:
        where = Path(place) / "train"
        if isinstance(model, TextModel):
            lines = ((line,) for line in train.source)
            yield write_sides(where, lines, {SIDE: model.tokenizer}, longest=None)
            return
        yield write_store(
            where,
            zip(train.source, train.target, strict=True),
            model.source,
            model.target,
            truncate_source=model.truncate_source,
        )
