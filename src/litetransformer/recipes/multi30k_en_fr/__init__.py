"""Multi30k English to French: 29 thousand image captions, a benchmark of minutes. No row of the paper."""
