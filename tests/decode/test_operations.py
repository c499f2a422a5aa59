"""A step of decoding is a few operations, each of which takes time to launch however small it is."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from litetransformer.core.tokens import PAD
from litetransformer.decode.beam import beam_search
from litetransformer.decode.options import SearchOptions
from litetransformer.layers.sublayer import Shared, select, tree_map
from litetransformer.models.presets import lite

VOCABULARY, STEPS = 640, 12


class Counting(TorchDispatchMode):
    """Counts the operations that do more than look at a tensor in another way."""

    def __init__(self):
        super().__init__()
        self.operations = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if not function.is_view:
            self.operations.append(str(function))
        return function(*args, **(kwargs or {}))


def operations(layers, steps):
    """The operations of a search of `steps` steps by a model of so many layers."""
    torch.manual_seed(0)
    model = lite(16, taps=(3,) * layers).build(VOCABULARY, VOCABULARY).eval()
    source = torch.randint(3, VOCABULARY, (3, 9))
    source[1, 6:] = PAD
    # No end comes before the limit, and all sentences have the same.
    options = SearchOptions(shortest=steps - 1, longest=steps - 1)
    with Counting() as counted:
        beam_search(model, source, source == PAD, options)
    return counted.operations


def leaves(tree):
    return [tree] if isinstance(tree, torch.Tensor) else [leaf for branch in tree for leaf in leaves(branch)]


def a_step(layers):
    return (len(operations(layers, 2 * STEPS)) - len(operations(layers, STEPS))) / STEPS


def test_a_step_takes_few_operations_for_each_layer_and_for_the_search():
    one, two = a_step(1), a_step(2)
    layer = two - one
    # Nine products and the additions and norms of three residuals; the caches grow and follow the beams.
    assert layer <= 26
    assert one - layer <= 92


def test_a_step_reads_little_from_the_device():
    """Each number read is a wait for a GPU; those that are on the CPU cost as much as any operation."""
    read = [operations(1, steps).count("aten.item.default") for steps in (STEPS, 2 * STEPS)]
    assert read[1] - read[0] <= 2 * STEPS


def test_no_mask_is_made_where_nothing_is_padded():
    model, source = lite(16, taps=(3,)).build(VOCABULARY, VOCABULARY).eval(), torch.full((2, 5), 7)
    source[1, 4] = PAD

    def masks(source):
        _, memory = model.begin(source, source == PAD)
        return sum(tensor.dtype == torch.bool for tensor in leaves(memory))

    assert (masks(source), masks(source[:1])) == (1, 0)


def test_what_rows_share_stays_as_it_is_when_they_are_selected():
    shared = Shared((torch.arange(3), torch.zeros(1)))
    tree = (shared, (torch.arange(2), shared))
    found = select(tree, torch.tensor([1, 1, 0]))
    assert found[0] is found[1][1] is shared
    assert found[1][0].tolist() == [1, 1, 0]
    assert tree_map(torch.clone, tree)[0] is shared
