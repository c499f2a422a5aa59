import random

import pytest

from litetransformer.data.tokenizer import train_sentencepiece

WORDS = "der die das Haus Baum geht sieht klein groß über nicht ein eine und oder Straße 3 17 ja"


def some_text(lines, seed=0, longest=12):
    generator, words = random.Random(seed), WORDS.split(" ")
    sentences = (generator.choices(words, k=generator.randint(1, longest)) for _ in range(lines))
    return [" ".join(sentence).capitalize() + "." for sentence in sentences]


@pytest.fixture(scope="session")
def text():
    return some_text


@pytest.fixture(scope="session")
def tokenizer():
    return train_sentencepiece(some_text(400), size=340)
