"""The compression table: the paper's four steps, WMT'14 En-Fr, embedding tables not counted."""

from litetransformer import recipes
from litetransformer.tables.paper import count
from litetransformer.tables.table import NOT_RUN, Table, stated

_FLOAT32, _INT8 = 4, 1
_STEPS: tuple[tuple[str, str, int | None, float, float], ...] = (
    ("Transformer-base", "wmt14-en-fr/transformer-512", _FLOAT32, 176.0, 39.9),
    ("Lite", "wmt14-en-fr/lite-496", _FLOAT32, 69.2, 39.6),
    ("Lite, 8 bits", "wmt14-en-fr/lite-496", _INT8, 17.3, 39.6),
    ("Lite, 8 bits, pruned", "wmt14-en-fr/lite-496", None, 9.7, 39.5),
)
"""A step, its recipe, a weight's bytes (None: it depends on the weights), and the paper's MB and BLEU."""


def compression() -> Table:
    """What each step of compression leaves, and the ratio to the Transformer that it starts from."""
    sizes = [None if width is None else _megabytes(name, width) for _, name, width, *_ in _STEPS]
    rows = [
        (
            *(step, f"{published:g}", stated(computed), NOT_RUN),
            *(f"{_megabytes(_STEPS[0][1], _FLOAT32) / (computed or published):.3g}×", f"{bleu:.1f}", NOT_RUN),
        )
        for (step, _, _, published, bleu), computed in zip(_STEPS, sizes, strict=True)
    ]
    return Table(
        title="Compression, WMT'14 En-Fr, embedding tables not counted",
        columns=(
            *("model", "MB: paper", "MB: computed", "MB: measured here"),
            *("times smaller", "BLEU: paper", "BLEU: measured here"),
        ),
        rows=tuple(rows),
        notes=("Computed: the parameters as the paper counts them, times their bytes; 1 MB is 10⁶ bytes.",),
    )


def _megabytes(recipe: str, width: int) -> float:
    return count(recipes.get(recipe)).params * width / 1e6
