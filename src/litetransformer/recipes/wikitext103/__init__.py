"""WikiText-103, words: the paper's language models (Table 5 and its figure)."""
