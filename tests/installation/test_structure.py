"""The house rules that can be counted: sizes of folders, files and functions, and no circles."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import networkx as nx
import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "mmgraph").rglob("*.py"))
FOLDERS = sorted({file.parent for file in FILES})
# Entered once a query on the warm path, where unboxing a record costs more than 2% of it.
MANY_ARGUMENTS = {"mmgraph.inference.exact.join_tree.kernels.run_rows"}


def module(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module(file): file for file in FILES}


def imported(file: Path) -> Iterator[str]:
    """The modules that a file names in any import, wherever it stands."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in MODULES else node.module


def imports() -> nx.DiGraph:
    graph: nx.DiGraph = nx.DiGraph()
    graph.add_nodes_from(MODULES)
    for name, file in MODULES.items():
        graph.add_edges_from((name, other) for other in imported(file) if other in MODULES)
    # The package itself hands names on, and stands above all.
    graph.remove_node("mmgraph")
    return graph


def circles(graph: nx.DiGraph) -> list[list[str]]:
    return [sorted(c) for c in nx.strongly_connected_components(graph) if len(c) > 1]


def test_no_file_imports_one_that_imports_it():
    graph = imports()
    assert graph.number_of_edges() > 1000
    assert circles(graph) == []


def test_no_folders_beside_each_other_import_each_other():
    def folder(name: str) -> str:
        return module(MODULES[name].with_name("__init__.py"))

    def within(one: str, other: str) -> bool:
        return f"{one}.".startswith(f"{other}.")

    graph: nx.DiGraph = nx.DiGraph()
    for first, second in imports().edges:
        one, other = folder(first), folder(second)
        if not within(one, other) and not within(other, one):
            graph.add_edge(one, other)
    assert circles(graph) == []


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(ROOT)))
def test_folders_are_small_and_say_what_they_are_for(folder):
    assert len([f for f in folder.glob("*.py") if f.name != "__init__.py"]) <= 15
    assert ast.get_docstring(ast.parse((folder / "__init__.py").read_text()))


def test_files_and_functions_are_short():
    long_files, long_calls = set(), set()
    for file in FILES:
        text = file.read_text()
        if len(text.splitlines()) > 400:
            long_files.add(module(file))
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                given = node.args
                names = [a.arg for a in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
                names += [a.arg for a in (given.vararg, given.kwarg) if a is not None]
                if len([name for name in names if name not in ("self", "cls")]) > 10:
                    long_calls.add(f"{module(file)}.{node.name}")
    assert long_files == set()
    assert long_calls == MANY_ARGUMENTS
    assert len(MANY_ARGUMENTS) <= 3


def test_contributing_names_every_folder():
    said = (ROOT / "CONTRIBUTING.md").read_text()
    assert [f.name for f in FOLDERS if f"{f.name}/`" not in said and f.name != "mmgraph"] == []
