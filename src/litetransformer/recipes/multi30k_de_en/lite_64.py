"""Multi30k De-En: a model that a laptop trains.

    lite train multi30k-de-en/lite-64 --out runs/multi30k-de-en-lite-64 --download

Expected: no row of the paper; 20 minutes on two CPU cores, from the speed of its first epochs.
Measured: not run.
"""

from litetransformer import Vocabulary
from litetransformer.recipes.multi30k_de_en._base import LAPTOP, base, lite

recipe = base(model=lite(64, dropout=0.1), vocabulary=Vocabulary(size=4000), train=LAPTOP)
