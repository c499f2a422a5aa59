"""English articles on Kyoto, ten million words of raw text: small language models. No row of the paper."""
