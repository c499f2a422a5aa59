"""WMT'16 En-De, Table 3: the Evolved Transformer, found by search.

    lite train wmt16-en-de/evolved-128 --out runs/wmt16-en-de-evolved-128 --download

Three encoder and four decoder cells 128 wide have the published parameters; counted as in the other rows
they cost 92M mult-adds, with the windows of their convolutions 93M (docs/deviations.md).

Expected: 3.0M parameters, 94M mult-adds, 22.0 BLEU; the paper states the time of the search alone.
Measured: not run.
"""

from litetransformer.recipes.wmt16_en_de._base import base, evolved, expect

recipe = base(
    model=evolved(128, dropout=0.04, attention_dropout=0.03),
    expect=expect(params=3.0, mult_adds=94, bleu=22.0, source="Table 3"),
)
