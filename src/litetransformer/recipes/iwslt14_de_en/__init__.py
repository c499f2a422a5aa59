"""IWSLT'14 German to English: 160 thousand sentences of talks, the paper's small benchmark (Table 1)."""
