"""The token ids that every vocabulary begins with. There is no start symbol: decoding starts from EOS."""

PAD, EOS, UNK = 0, 1, 2
