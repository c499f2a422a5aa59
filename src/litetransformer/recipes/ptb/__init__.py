"""Penn Treebank, a million words of ten thousand kinds: small language models. No row of the paper."""
