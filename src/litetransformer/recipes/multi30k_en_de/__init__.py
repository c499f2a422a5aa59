"""Multi30k English to German: 29 thousand image captions, a benchmark of minutes. No row of the paper."""
