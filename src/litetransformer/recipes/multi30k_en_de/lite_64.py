"""Multi30k En-De: a model that a laptop trains.

    lite train multi30k-en-de/lite-64 --out runs/multi30k-en-de-lite-64 --download

Expected: no row of the paper; about ten minutes on two free CPU cores, from the speed of its first epochs.
Measured: not run.
"""

from litetransformer import Vocabulary
from litetransformer.recipes.multi30k_en_de._base import LAPTOP, base, lite

recipe = base(model=lite(64, dropout=0.1), vocabulary=Vocabulary(size=4000), train=LAPTOP)
