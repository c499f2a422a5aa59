"""What the benchmark of the windowed sum is to measure is there: its cases, and constants of the kernels."""

import importlib

import pytest
import torch

with pytest.MonkeyPatch.context() as patch:
    if not torch.cuda.is_available():
        # Triton reads this when its own functions are defined, and again when ours are.
        patch.setenv("TRITON_INTERPRET", "1")
    pytest.importorskip("triton", reason="needs the package triton, which PyTorch's builds for CUDA bring")
    from litetransformer.ops.windowed_sum import triton_ops


def constants(program):
    """The present value of every constant that a variant changes."""
    places = {place for variant in program.VARIANTS.values() for place in variant}
    modules = {
        place: importlib.import_module(f"{triton_ops.__package__}.{place.split('.')[0]}") for place in places
    }
    return {place: getattr(modules[place], place.split(".")[1]) for place in places}


def test_every_variant_changes_constants_that_exist_and_puts_them_back(programs):
    program = importlib.import_module("windowed_sum")
    before = constants(program)
    for name, variant in program.VARIANTS.items():
        with program.chosen(f"triton/{name}"):
            assert constants(program) == before | variant
        assert constants(program) == before
        assert variant.get("triton_forms.FORCED", "bands") in {"bands", *triton_ops.OTHERS}


def test_the_whole_question_is_asked_once_and_with_variants_that_exist(programs):
    program = importlib.import_module("windowed_sum")
    cases = [case for case, _ in program.VARIED]
    assert len(set(cases)) == len(cases)
    assert set(importlib.import_module("windowed_sum_cases").OTHERS) <= set(cases)
    assert {name for _, names in program.VARIED for name in names.split()} <= set(program.VARIANTS)
    static = [case for case in cases if not case.dynamic and not case.softmax and case.tokens == 65536]
    assert {(case.channels, case.taps) for case in static if case.length == 256} == {
        (channels, taps) for channels in (80, 100, 248, 448) for taps in (7, 15, 31, 63)
    }
    assert {kind for case in cases for kind in case.forms().values()} == set(triton_ops.OTHERS)
