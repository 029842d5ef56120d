"""Structures from tests of independence: PC and FCI, by causal-learn."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int

from mmgraph.graph.errors import GraphError, LearningError, check_choice, needs
from mmgraph.learning.structure.constraints import Constraints, Edge
from mmgraph.learning.structure.graphs import kernels
from mmgraph.learning.structure.graphs.equivalence import (
    Adjacency,
    PartialGraph,
    extension,
    without_cycles,
)
from mmgraph.learning.structure.learned_structure import LearnedStructure
from mmgraph.learning.structure.problem import StructureData

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
    data: StructureData,
    constraints: Constraints,
    *,
    weights: Float64[np.ndarray, " rows"] | None = None,
    method: str = "pc",
    test: str = "auto",
    alpha: float = 0.05,
    isolate_constant: bool = False,
) -> LearnedStructure:
    """Return the structure that PC or FCI finds, with the constraints enforced.

    PC (Spirtes, Glymour and Scheines 2000; in the variant that does not depend on the order of
    columns) supposes that every common cause is observed, FCI does not. Both drop an edge where a
    test finds its ends independent given some other variables. Where the directions that PC finds
    contradict each other, the first ones stay.

    Parameters
    ----------
    data : StructureData
        Without missing cells and without experiments.
    constraints : Constraints
        They have no bound on the number of parents, which tests cannot keep.
    weights : array, optional
        Multiplicities instead of the rows' own, as a bootstrap draws them; whole numbers.
    method : {"pc", "fci"}
    test : {"auto", "chi_square", "g_square", "fisher_z"}
        The first two for states (any real column is refused), the last for real numbers with
        linear dependence; ``"auto"`` takes the chi-square test where all columns are discrete.
    alpha : float, default 0.05
        A dependence counts where its p-value is at most this.
    isolate_constant : bool, default False
        Whether a constant column has its required edges and no others, as a bootstrap needs where a
        rare state is not drawn; it is refused otherwise.

    Raises
    ------
    MissingExtraError
        Without causal-learn (the extra ``discovery``).
    LearningError
        If a column is constant, lacks a cell or follows from others, columns do not suit the test,
        there are too few rows, or experiments among them.
    """
    with needs("discovery", "causal-learn", method.upper()):
        import causallearn  # noqa: F401
    check_choice("test", test, ("auto", *TESTS), LearningError)
    if test == "auto":
        test = "chi_square" if data.is_discrete else "fisher_z"
    columns = _columns(data, data.weights if weights is None else weights)
    varying = (columns != columns[:, :1]).any(1)
    _check(columns, varying | isolate_constant, data, constraints, test, alpha)
    marks = np.zeros(constraints.allowed.shape, dtype=np.int64)
    places: list[int] = np.flatnonzero(varying).tolist()
    if len(places) > 1:
        if test == "fisher_z":
            _check_linear_dependence(columns[places], [constraints.names[i] for i in places])
        kind = np.int64 if data.is_discrete else np.float64
        rows = np.ascontiguousarray(columns[places].T, dtype=kind)
        asked = rows, TESTS[test], alpha
        some = _pc(places, constraints, *asked) if method == "pc" else _fci(*asked)
        marks[np.ix_(places, places)] = some
    said = f"{method.upper()} with the {_TITLES[test]} test at {alpha:g}"
    if method == "pc":
        dag, said = _directed(marks, constraints, said)
        return LearnedStructure.of_graph(constraints, dag, score=None, method=said)
    return _of_marks(constraints.names, _constrained(marks, constraints), said)


def _columns(
    data: StructureData, weights: Float64[np.ndarray, " rows"]
) -> Float64[np.ndarray, "variables rows"]:
    """All columns, each row as often as it counts."""
    times = weights.astype(np.int64)
    if (times != weights).any():
        raise LearningError("PC and FCI count whole rows: weights are whole numbers for them")
    states, values = iter(data.codes), iter(data.values)
    columns = [next(states if v.is_discrete else values) for v in data.variables]
    return np.repeat(np.array(columns, dtype=np.float64), times, axis=1)


def _check(
    columns: Float64[np.ndarray, "variables rows"],
    allowed: Bool[np.ndarray, " variables"],
    data: StructureData,
    constraints: Constraints,
    test: str,
    alpha: float,
) -> None:
    """Refuse what the tests cannot be asked of."""
    if isinstance(alpha, bool) or not 0 < alpha < 1:
        raise LearningError(f"alpha lies between 0 and 1, not at {alpha!r}")
    for what, asked in (
        ("max_parents", constraints.max_parents < len(constraints.names) - 1),
        ("interventions", data.is_set.any()),
    ):
        if asked:
            raise LearningError(
                f"PC and FCI cannot heed {what}; leave them out, or search by a score"
            )
    real = test == "fisher_z"
    unsuited = ", ".join(f"'{v.name}'" for v in data.variables if v.is_discrete == real)
    if unsuited:
        needed, kind = ("continuous", "discrete") if real else ("discrete", "continuous")
        raise LearningError(
            f"the {_TITLES[test]} test needs {needed} columns, and these are {kind}: {unsuited}; "
            "put the continuous ones into bins (mm.Discretizer), or search by a score"
        )
    for variable, column, is_allowed in zip(data.variables, columns, allowed, strict=True):
        lacking = column < 0 if variable.is_discrete else ~np.isfinite(column)
        if lacking.any():
            raise LearningError(
                f"'{variable.name}' lacks {lacking.sum()} of {len(column)} cells, and the tests of "
                "PC and FCI need every one"
            )
        if not is_allowed:
            raise LearningError(
                f"'{variable.name}' is constant: no test can say what it depends on"
            )


def _check_linear_dependence(
    columns: Float64[np.ndarray, "variables rows"], names: list[str]
) -> None:
    rows = columns.shape[1]
    if rows < len(names) + 4:
        raise LearningError(
            f"Fisher's z test needs at least {len(names) + 4} rows for {len(names)} columns, "
            f"not {rows}"
        )
    spectrum, vectors = np.linalg.eigh(np.corrcoef(columns))
    if spectrum[0] < _DEPENDENT:
        some = ", ".join(f"'{names[i]}'" for i in np.flatnonzero(np.abs(vectors[:, 0]) > 1e-4))
        raise LearningError(f"these columns determine one another: {some}; leave one of them out")


def _pc(
    places: Sequence[int],
    constraints: Constraints,
    data: np.ndarray,
    test: str,
    alpha: float,
) -> Marks:
    """Run PC on columns; what is forbidden one way, or required, directs edges within.

    A pair of which both ways are forbidden is left to the tests: causal-learn would take it to be
    independent without any condition, and so make a collider of each common neighbour.
    """
    from causallearn.search.ConstraintBased.PC import pc
    from causallearn.utils.PCUtils.BackgroundKnowledge import BackgroundKnowledge

    barred = ~constraints.allowed & constraints.allowed.T
    knowledge = BackgroundKnowledge()
    place = {str(i): i for i in places}

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


def _fci(data: np.ndarray, test: str, alpha: float) -> Marks:
    """Run FCI, which is not told of constraints, see :func:`_constrained`."""
    from causallearn.search.ConstraintBased import FCI

    names = [str(i) for i in range(data.shape[1])]
    with _QUIET:
        FCI.print = lambda *_: None  # some of its rules print what they do, whatever it is told
        try:
            graph, _ = FCI.fci(data, test, float(alpha), show_progress=False, node_names=names)
        finally:
            del FCI.print
    return np.asarray(graph.graph).T.astype(np.int64)


def _constrained(marks: Marks, constraints: Constraints) -> Marks:
    """Mark in place what the constraints say of a partial ancestral graph.

    causal-learn is not told of them: it would read a forbidden edge as its reverse, which a hidden
    common cause can make as well. An arrowhead is all that follows, and Zhang's first two rules
    (2008) take it further.
    """
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


def _of_marks(names: tuple[str, ...], marks: Marks, said: str) -> LearnedStructure:
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
    )
