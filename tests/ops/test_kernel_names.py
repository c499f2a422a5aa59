"""PyTorch's compiler writes a kernel and all that it calls into one file, by their names (torch 2.11, 2.13).

So two functions of one name within reach of a kernel, or a function that is called by another name than its
own, break `torch.compile` on a GPU. Here their sources are read, which needs no GPU.
"""

import ast
from pathlib import Path

import litetransformer.ops

ROOT = Path(litetransformer.ops.__path__[0])


def sources():
    """Of each module of kernels: the functions that Triton compiles, and what it imports, by name."""
    found = {}
    for path in ROOT.rglob("triton*.py"):
        tree = ast.parse(path.read_text())
        kernels = {
            node.name: node
            for node in tree.body
            if isinstance(node, ast.FunctionDef) and any("jit" in ast.unparse(d) for d in node.decorator_list)
        }
        imports = {
            alias.asname or alias.name: (node.module, alias.name)
            for node in tree.body
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        name = ".".join(("litetransformer.ops", *path.relative_to(ROOT).with_suffix("").parts))
        found[name] = kernels, imports
    return found


def reached(found, module, name):
    """(module, name, name it is called by) of a kernel and of all that it calls."""
    seen, todo = set(), [(module, name, name)]
    while todo:
        one = todo.pop()
        if one in seen:
            continue
        seen.add(one)
        kernels, imports = found[one[0]]
        for node in ast.walk(kernels[one[1]]):
            if isinstance(node, ast.Name):
                home, own = (one[0], node.id) if node.id in kernels else imports.get(node.id, ("", ""))
                if own in found.get(home, ({}, {}))[0]:
                    todo.append((home, own, node.id))
    return seen


def test_a_kernel_calls_functions_by_their_own_names_and_no_two_of_one_name():
    found = sources()
    assert len(found) > 20
    for module, (kernels, _) in found.items():
        for kernel in kernels:
            calls = reached(found, module, kernel)
            assert [call for call in calls if call[1] != call[2]] == [], kernel
            assert len({call[:2] for call in calls}) == len({call[1] for call in calls}), (module, kernel)
