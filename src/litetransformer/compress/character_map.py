"""SentencePiece's own maps of characters, of which its model files hold a copy.

Such a map says what each character is read as (ﬁ as fi, ① as 1). It takes 240 kB, 82 kB packed, and is the
same in every model that was trained with the same rule. A compressed model leaves it out, and the library
that reads the tokenizer gives it back.
"""

from functools import cache

RULES = ("nmt_nfkc", "nmt_nfkc_cf", "nfkc", "nfkc_cf")
"""SentencePiece's rules by name: the first one is what models have unless told."""


@cache
def character_map(rule: str) -> bytes:
    """The map of one of `RULES`, as this version of SentencePiece has it."""
    import sentencepiece

    facts = sentencepiece.SentencePieceNormalizer(rule_name=rule).serialized_model_proto()
    # Protocol buffers: the rule's name, the map's tag, its length seven bits at a time, the map.
    at = facts.index(rule.encode()) + len(rule) + 1
    length = shift = 0
    while True:
        byte, at = facts[at], at + 1
        length, shift = length | (byte & 127) << shift, shift + 7
        if byte < 128:
            return facts[at : at + length]


def taken_out(content: bytes) -> tuple[bytes, str, int]:
    """The content of a file without the map that is in it, its rule and its place; "" and 0 without one."""
    for rule in RULES:
        found = character_map(rule)
        if found and (at := content.find(found)) >= 0:
            return content[:at] + content[at + len(found) :], rule, at
    return content, "", 0
