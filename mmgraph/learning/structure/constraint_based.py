"""Structures from tests of independence: PC and FCI, by causal-learn."""

from __future__ import annotations

import time
from dataclasses import replace
from threading import Lock
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Int, Shaped

from mmgraph.graph.errors import GraphError, LearningError, check_choice, needs
from mmgraph.learning.structure.constraints import Constraints
from mmgraph.learning.structure.graphs import kernels
from mmgraph.learning.structure.graphs.equivalence import (
    Adjacency,
    PartialGraph,
    extension,
    without_cycles,
)
from mmgraph.learning.structure.learned_structure import Edge, LearnedStructure

Method = Literal["pc", "fci"]
Marks = Int[np.ndarray, "variables variables"]
"""What stands at the end of an edge: ``marks[a, b]`` at b's, 0 where there is no edge."""

TESTS = {"chi_square": "chisq", "g_square": "gsq", "fisher_z": "fisherz"}
"""The tests of independence, and their names in causal-learn."""

_TITLES = {"chi_square": "chi-square", "g_square": "G-square", "fisher_z": "Fisher's z"}
_TAIL, _ARROW, _CIRCLE = -1, 1, 2  # as in causal-learn
_ENDS = {_TAIL: "-", _CIRCLE: "o"}
_DEPENDENT = 1e-10
_QUIET = Lock()


def learn_by_tests(
    values: Shaped[np.ndarray, "rows variables"],
    discrete: Bool[np.ndarray, " variables"],
    constraints: Constraints,
    *,
    method: Method = "pc",
    test: str = "auto",
    alpha: float = 0.05,
    **attributes: Any,
) -> LearnedStructure:
    """Return the structure that PC or FCI finds, with the constraints enforced.

    PC (Spirtes, Glymour and Scheines 2000; in the variant that does not depend on the order of
    columns) supposes that every common cause is observed, FCI does not. Both drop an edge where a
    test finds its ends independent given some other variables. Where the directions that PC finds
    contradict each other, the first ones stay.

    Parameters
    ----------
    values : array, shape (rows, variables)
        State indices, or real numbers; all cells observed.
    discrete : array of bool, shape (variables,)
        Which columns hold states.
    constraints : Constraints
        They have no bound on the number of parents, which tests cannot keep.
    method : {"pc", "fci"}
    test : {"auto", "chi_square", "g_square", "fisher_z"}
        The first two for states (any real column is refused), the last for real numbers with
        linear dependence; ``"auto"`` takes the chi-square test where all columns are discrete.
    alpha : float, default 0.05
        A dependence counts where its p-value is at most this.
    **attributes
        Of the record, such as ``modalities``.

    Raises
    ------
    MissingExtraError
        Without causal-learn (the extra ``discovery``).
    LearningError
        If a column is constant, lacks a cell or follows from others, columns do not suit the test,
        or there are too few rows.
    """
    start = time.perf_counter()
    with needs("discovery", "causal-learn", f"{method.upper()}"):
        import causallearn  # noqa: F401
    check_choice("method", method, ("pc", "fci"), LearningError)
    check_choice("test", test, ("auto", *TESTS), LearningError)
    if test == "auto":
        test = "chi_square" if discrete.all() else "fisher_z"
    _check(values, discrete, constraints, test, alpha)
    data = np.ascontiguousarray(values, dtype=np.int64 if test != "fisher_z" else np.float64)
    said = f"{method.upper()} with the {_TITLES[test]} test at {alpha:g}"
    if method == "pc":
        marks = _pc(data, constraints, TESTS[test], alpha)
        dag, said = _directed(marks, constraints, said)
        found = LearnedStructure.of_graph(constraints, dag, score=None, method=said, **attributes)
    else:
        marks = _fci(data, constraints, TESTS[test], alpha)
        found = _of_marks(constraints.names, marks, said, attributes)
    return replace(found, seconds=time.perf_counter() - start)


def _check(
    values: np.ndarray,
    discrete: Bool[np.ndarray, " variables"],
    constraints: Constraints,
    test: str,
    alpha: float,
) -> None:
    """Refuse what the tests cannot be asked of."""
    names = constraints.names
    if isinstance(alpha, bool) or not 0 < alpha < 1:
        raise LearningError(f"alpha lies between 0 and 1, not at {alpha!r}")
    if constraints.max_parents < len(names) - 1:
        raise LearningError(
            "PC and FCI cannot bound the number of parents; leave max_parents out, or search by a "
            "score"
        )
    unsuited = ~discrete if test != "fisher_z" else discrete
    if unsuited.any():
        kind, other = ("continuous", "discrete") if test != "fisher_z" else ("discrete", "real")
        columns = ", ".join(f"'{names[i]}'" for i in np.flatnonzero(unsuited))
        raise LearningError(
            f"the {_TITLES[test]} test needs {other} columns, and these are {kind}: {columns}; "
            "discretise the continuous ones, or search by a score"
        )
    for name, column, is_discrete in zip(names, values.T, discrete, strict=True):
        lacking = (column < 0) if is_discrete else ~np.isfinite(column.astype(float))
        if lacking.any():
            row = int(np.flatnonzero(lacking)[0])
            raise LearningError(
                f"'{name}' has no value in row {row}, and the tests of PC and FCI need every cell"
            )
        if (column == column[:1]).all():
            raise LearningError(f"'{name}' is constant: no test can say what it depends on")
    if test == "fisher_z":
        _check_linear_dependence(values, names)


def _check_linear_dependence(values: np.ndarray, names: tuple[str, ...]) -> None:
    if len(values) < len(names) + 4:
        raise LearningError(
            f"Fisher's z test needs at least {len(names) + 4} rows for {len(names)} columns, "
            f"not {len(values)}"
        )
    spectrum, vectors = np.linalg.eigh(np.corrcoef(values.astype(float), rowvar=False))
    if spectrum[0] < _DEPENDENT:
        columns = ", ".join(f"'{names[i]}'" for i in np.flatnonzero(np.abs(vectors[:, 0]) > 1e-4))
        raise LearningError(
            f"these columns determine one another: {columns}; leave one of them out"
        )


def _pc(data: np.ndarray, constraints: Constraints, test: str, alpha: float) -> Marks:
    """Run PC; what is forbidden one way, or required, directs edges within.

    A pair of which both ways are forbidden is left to the tests: causal-learn would take it to be
    independent without any condition, and so make a collider of each common neighbour.
    """
    from causallearn.search.ConstraintBased.PC import pc
    from causallearn.utils.PCUtils.BackgroundKnowledge import BackgroundKnowledge

    barred = ~constraints.allowed & constraints.allowed.T
    knowledge = BackgroundKnowledge()
    place = {str(i): i for i in range(data.shape[1])}

    def looked_up(table: Adjacency) -> Any:
        return lambda a, b: bool(table[place[a.get_name()], place[b.get_name()]])

    # Its own look-up goes through all pairs that were named, one by one.
    knowledge.is_forbidden = looked_up(barred)
    knowledge.is_required = looked_up(constraints.required)
    graph = pc(
        data,
        alpha,
        test,
        show_progress=False,
        node_names=list(place),
        background_knowledge=None if constraints.free else knowledge,
    )
    return np.asarray(graph.G.graph).T.astype(np.int64)


def _directed(marks: Marks, constraints: Constraints, said: str) -> tuple[Adjacency, str]:
    """A directed acyclic graph of what PC says, that keeps the constraints; and what was done."""
    heads = marks == _ARROW
    ways = (marks != 0) & (heads | ~heads.T)
    ways |= constraints.required
    ways &= ~constraints.required.T
    barred = ways & ~constraints.allowed
    ways = (ways | barred.T) & constraints.allowed
    kernels.orient_further(ways)
    try:
        return extension(PartialGraph.of_marks(ways), constraints), said
    except GraphError:
        layers = (constraints.required, ways & ~ways.T, np.triu(ways & ways.T))
        arcs = [(int(a), int(b)) for layer in layers for a, b in np.argwhere(layer)]
        dag = without_cycles(arcs, constraints.allowed & ~constraints.required.T)
        return dag, f"{said}; its directions contradict each other, the first were kept"


def _fci(data: np.ndarray, constraints: Constraints, test: str, alpha: float) -> Marks:
    """Run FCI, and mark what the constraints say.

    causal-learn is not told of them: it would read a forbidden edge as its reverse, which a hidden
    common cause can make as well. An arrowhead is all that follows, and Zhang's first two rules
    (2008) take it further.
    """
    from causallearn.search.ConstraintBased import FCI

    names = [str(i) for i in range(data.shape[1])]
    with _QUIET:
        FCI.print = lambda *_: None  # some of its rules print what they do, whatever it is told
        try:
            graph, _ = FCI.fci(data, test, float(alpha), show_progress=False, node_names=names)
        finally:
            del FCI.print
    marks = np.asarray(graph.graph).T.astype(np.int64)
    marks[~constraints.allowed & ~constraints.allowed.T] = 0
    marks[(marks != 0) & ~constraints.allowed.T] = _ARROW
    marks[constraints.required] = _ARROW
    marks[constraints.required.T] = _TAIL
    if not constraints.free:
        _follow_arrows(marks)
    return marks


def _follow_arrows(marks: Marks) -> None:
    """Apply Zhang's rules 1 and 2 in place, until nothing changes."""
    before = None
    while before is None or (marks != before).any():
        before = marks.copy()
        for a, b in np.argwhere(marks == _ARROW):
            open_ends = (marks[:, b] == _CIRCLE) & (marks[a] == 0)
            open_ends[a] = False
            marks[b, open_ends] = _ARROW  # rule 1: a *-> b o-* c, and a and c are not adjacent
            marks[open_ends, b] = _TAIL
            further = marks[b] == _ARROW
            further &= (marks[b, a] == _TAIL) | (marks[:, b] == _TAIL)
            marks[a, further & (marks[a] == _CIRCLE)] = _ARROW  # rule 2: a -> b *-> c


def _of_marks(
    names: tuple[str, ...], marks: Marks, said: str, attributes: dict[str, Any]
) -> LearnedStructure:
    """The structure of a partial ancestral graph."""
    pag: list[tuple[str, str, str]] = []
    edges: dict[tuple[int, int], list[Edge]] = {(_TAIL, _ARROW): [], (_TAIL, _TAIL): []}
    for a, b in np.argwhere(np.triu(marks != 0)):
        if marks[a, b] != _ARROW and marks[b, a] == _ARROW:
            a, b = b, a
        at_a, at_b = marks[b, a], marks[a, b]
        ends = ("<" if at_a == _ARROW else _ENDS[at_a], ">" if at_b == _ARROW else _ENDS[at_b])
        pag.append((names[a], "-".join(ends), names[b]))
        if (at_a, at_b) in edges:
            edges[at_a, at_b].append((names[a], names[b]))
    directed, undirected = edges.values()
    return LearnedStructure(
        names=names,
        edges=directed,
        score=None,
        method=said,
        cpdag=(directed, undirected),
        pag=pag,
        **attributes,
    )
