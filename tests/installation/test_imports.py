"""What nets load: none of inference, nor what takes long beside torch."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator

from tests.installation.test_structure import MODULES

SLOW = ("asyncio", "importlib.metadata", "multiprocessing")


def loaded(body: list[ast.stmt]) -> Iterator[str]:
    """The modules that statements import as they run, outside functions and type checking."""
    for node in body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" not in ast.unparse(node.test):
            yield from loaded([*node.body, *node.orelse])
        elif isinstance(node, ast.Try | ast.With):
            yield from loaded(node.body)


def closure(*modules: str) -> set[str]:
    """All modules that are loaded with some."""
    waiting, names = list(modules), set()
    while waiting:
        name = waiting.pop()
        if name in names:
            continue
        names.add(name)
        if name in MODULES:
            waiting += loaded(ast.parse(MODULES[name].read_text()).body)
            waiting += [name.rpartition(".")[0]] if "." in name else []
    return names


def test_nets_load_torch_numpy_and_none_of_inference():
    names = closure("mmgraph.deep.training.learner", "mmgraph.deep.representations.representation")
    assert "mmgraph.deep.packs.pack" in names
    assert [n for n in names if n.startswith(("mmgraph.inference", "mmgraph.formats"))] == []
    roots = {name.partition(".")[0] for name in names}
    assert roots - sys.stdlib_module_names == {"mmgraph", "torch", "numpy", "jaxtyping"}
    assert [name for name in names if name.startswith(SLOW)] == []
