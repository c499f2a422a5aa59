"""Multi30k De-En: a model that a laptop trains.

    lite train multi30k-de-en/lite-64 --out runs/multi30k-de-en-lite-64 --download

Expected: no row of the paper; about ten minutes on two free CPU cores, from the speed of its first epochs.
Measured: 37.9, 33.4 and 24.1 sacreBLEU on test 2016, 2017 and coco (1 seed, one thread of a busy CPU in 43
minutes, 2026-11-24); `lite table multi30k-de-en-laptop` has them all.
"""

from litetransformer import Vocabulary
from litetransformer.recipes.multi30k_de_en._base import LAPTOP, base, lite

recipe = base(model=lite(64, dropout=0.1), vocabulary=Vocabulary(size=4000), train=LAPTOP)
