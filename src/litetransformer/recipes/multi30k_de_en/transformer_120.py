"""Multi30k De-En: the Transformer that costs as many mult-adds as Lite 160.

    lite train multi30k-de-en/transformer-120 --out runs/multi30k-de-en-transformer-120 --download

Expected: no row of the paper.
Measured: 41.7, 36.5 and 28.0 sacreBLEU on test 2016, 2017 and coco (3 seeds, H100, 2026-11-24); `lite table
multi30k-de-en` has them all.
"""

from litetransformer.recipes.multi30k_de_en._base import base, transformer

recipe = base(model=transformer(120, 222))
