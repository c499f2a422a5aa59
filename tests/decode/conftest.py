import pytest
import torch


class Memoryless:
    """Predicts `probabilities[step]` whatever came before; its state counts the steps."""

    def __init__(self, probabilities):
        self.log_probs = torch.tensor(probabilities, dtype=torch.float32).log()
        self.vocabulary = self.log_probs.shape[1]

    def begin(self, source, pad):
        return torch.zeros(len(source), dtype=torch.long), (source, pad)

    def advance(self, tokens, state, memory):
        assert len(tokens) == len(state) == len(memory[0])
        return self.log_probs[state.clamp_max(len(self.log_probs) - 1)], state + 1


@pytest.fixture(scope="session")
def memoryless():
    return Memoryless


@pytest.fixture
def sentences():
    def some(count, words=3):
        source = torch.full((count, words), 5)
        return source, source == 0

    return some
