"""Multi30k German to English: 29 thousand image captions, a benchmark of minutes. No row of the paper."""
