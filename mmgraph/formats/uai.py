"""Networks and evidence in the format of the UAI inference competitions.

A file names no variables and no states: variables are called ``x0``, ``x1``, … and have counted
states. The numbers of a table are potentials, not logarithms, with the last variable of the scope
moving fastest; in a ``BAYES`` file that variable is the child. ``#`` begins a comment.

The format: https://uaicompetition.github.io/uci-2022/file-formats/
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from os import PathLike
from typing import NoReturn

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from mmgraph.formats.files import SIZE_LIMIT, read_text
from mmgraph.formats.rows import LARGEST_RANK, bounded_product, normalise, problem_of, state_of
from mmgraph.formats.tables import check_discrete
from mmgraph.formats.text import fail
from mmgraph.graph.errors import EvidenceError, FormatError, GraphError, NotTabularError
from mmgraph.graph.factor import Factor
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.factors.table import TableFactor
from mmgraph.graph.state_labels import NUMBER, Index
from mmgraph.graph.storage.whole_files import write_text
from mmgraph.graph.variable import Variable
from mmgraph.networks.bayesian_network import BayesianNetwork
from mmgraph.networks.random_fields.markov_random_field import MarkovRandomField

_COMMENT = re.compile(r"#[^\n]*")
_PIECE = re.compile(r"\S+")
_DIGITS = re.compile(r"[0-9]{1,18}")
_FIRST_STATES = 2
"""Where the numbers of states begin."""
_FREE_STATES = 2**20
"""The states that variables without a table may have, all together: no number backs them."""


class _Numbers:
    """A cursor over the blank-separated pieces of a file."""

    def __init__(self, path: str | PathLike[str], text: str) -> None:
        self.path = path
        self.text = _COMMENT.sub("", text) if "#" in text else text
        self.pieces = self.text.split()
        self.position = 0

    @property
    def left(self) -> int:
        return len(self.pieces) - self.position

    def next(self, what: str) -> str:
        if not self.left:
            self.fail(f"expected {what}, found the end of the file")
        self.position += 1
        return self.pieces[self.position - 1]

    def count(self, what: str) -> int:
        """Move past a whole number."""
        piece = self.next(what)
        if not _DIGITS.fullmatch(piece):
            self.position -= 1
            self.fail(f"expected {what}, found {piece[:40]!r}")
        return int(piece)

    def counts(self, number: int, what: str) -> list[int]:
        """Move past so many whole numbers, which must be there before room is made for them."""
        self.require(number, what)
        return [self.count(what) for _ in range(number)]

    def table(self, number: int, what: str) -> Float64[np.ndarray, " numbers"]:
        """Move past so many decimal numbers."""
        self.require(number, what)
        pieces = self.pieces[self.position : self.position + number]
        for i, piece in enumerate(pieces):
            if not NUMBER.fullmatch(piece):
                self.position += i
                self.fail(f"expected a number in {what}, found {piece[:40]!r}")
        self.position += number
        return np.array(list(map(float, pieces)), dtype=np.float64)

    def end(self) -> None:
        if self.left:
            piece = self.pieces[self.position][:40]
            self.fail(f"expected the end of the file, found {piece!r}")

    def require(self, number: int, what: str) -> None:
        if number > self.left:
            self.position = len(self.pieces)
            self.fail(f"expected {number:,} numbers for {what}, found the end of the file")

    def fail(self, problem: str, position: int | None = None) -> NoReturn:
        """Raise the error that names the line of a piece, by default the next one."""
        position = self.position if position is None else position
        match = next(islice(_PIECE.finditer(self.text), position, None), None)
        fail(self.path, self.text, match.start() if match else len(self.text), problem)


def read_uai(path: str | PathLike[str], *, size_limit: int = SIZE_LIMIT) -> FactorGraph:
    """Read a UAI file: ``BAYES`` as a Bayesian network, ``MARKOV`` as a Markov random field.

    Either word may be in lower case. Parameters, errors and the rows of a ``BAYES`` file are those
    of :func:`~mmgraph.formats.bif.bif.read_bif`. What a file merely claims to hold is not
    allocated.
    """
    numbers = _Numbers(path, read_text(path, size_limit))
    kind = numbers.next("BAYES or MARKOV").upper()
    if kind not in ("BAYES", "MARKOV"):
        numbers.fail(f"expected BAYES or MARKOV, found {numbers.pieces[0][:40]!r}", 0)
    states = numbers.counts(numbers.count("the number of variables"), "the number of states")
    if 0 in states:
        numbers.fail("expected at least one state, found 0", _FIRST_STATES + states.index(0))
    scopes = [_scope(numbers, len(states), i) for i in range(_function_count(numbers))]
    tables = [_table(numbers, scope, states, kind == "BAYES") for scope in scopes]
    numbers.end()
    _check_free_states(numbers, states, scopes)
    variables = [Variable(f"x{i}", n) for i, n in enumerate(states)]
    is_bayesian = kind == "BAYES"
    graph_kind = BayesianNetwork if is_bayesian else MarkovRandomField
    factors = []
    try:
        for indices, table in zip(scopes, tables, strict=True):
            scope = [variables[i] for i in indices]
            factors.append(TableFactor(scope, table, child=scope[-1] if is_bayesian else None))
        return graph_kind(variables, factors)
    except GraphError as error:
        raise FormatError(f"{path}: {error}") from None


def _function_count(numbers: _Numbers) -> int:
    count = numbers.count("the number of functions")
    numbers.require(2 * count, f"{count:,} functions")
    return count


def _scope(numbers: _Numbers, variables: int, function: int) -> list[int]:
    size = numbers.count(f"the size of the scope of function {function}")
    if size > LARGEST_RANK:
        numbers.fail(
            f"function {function} has {size:,} variables; at most {LARGEST_RANK} can be read",
            numbers.position - 1,
        )
    start = numbers.position
    scope = numbers.counts(size, f"a variable of function {function}")
    for i, variable in enumerate(scope):
        if variable >= variables:
            numbers.fail(
                f"expected a variable below {variables} in function {function}, found {variable}",
                start + i,
            )
        if variable in scope[:i]:
            numbers.fail(f"variable {variable} stands twice in function {function}", start + i)
    return scope


def _table(
    numbers: _Numbers, scope: list[int], states: list[int], conditional: bool
) -> Float64[np.ndarray, "..."]:
    name = f"the table over {', '.join(f'x{i}' for i in scope)}" if scope else "a constant"
    start = numbers.position
    cardinalities = [states[i] for i in scope]
    size = bounded_product(cardinalities, len(numbers.pieces))
    count = numbers.count(f"the number of entries of {name}")
    if count != size:
        wanted = "more than the file can hold" if size is None else str(size)
        numbers.fail(
            f"expected {wanted} as the number of entries of {name}, found {count:,}", start
        )
    table = numbers.table(count, name)
    if conditional:
        if not scope:
            numbers.fail("expected a child in the scope of every function of a BAYES file", start)
        rows = table.reshape(-1, cardinalities[-1])
        wrong = normalise(rows)
        if wrong is not None:
            state = state_of(wrong, cardinalities[:-1])
            parents = ", ".join(f"x{i}={s}" for i, s in zip(scope, state, strict=False))
            row = f"the row ({parents}) of x{scope[-1]}"
            numbers.fail(f"{row} {problem_of(rows[wrong])}", start + 1 + wrong * cardinalities[-1])
    else:
        bad = ~((table >= 0) & (table < np.inf))
        if bad.any():
            at = int(bad.argmax())
            numbers.fail(
                f"expected a finite number >= 0 in {name}, found {table[at]}", start + 1 + at
            )
    return table.reshape(cardinalities)


def _check_free_states(numbers: _Numbers, states: list[int], scopes: list[list[int]]) -> None:
    """Refuse variables that only claim to have many states."""
    backed = {i for scope in scopes for i in scope}
    free = 0
    for i, count in enumerate(states):
        free += 0 if i in backed else count
        if free > _FREE_STATES:
            problem = f"variable {i} claims {count:,} states, but no table speaks of it"
            numbers.fail(problem, _FIRST_STATES + i)


def write_uai(graph: FactorGraph, path: str | PathLike[str]) -> None:
    """Write a graph of tables over scalar variables as ``BAYES`` or ``MARKOV``.

    The variables are numbered in the order of the graph; names, states and modalities have no
    place in the format. Numbers are written with the digits that give back the same double.

    Raises
    ------
    FormatError
        If the graph has an array or a continuous variable, a factor that is no table, or a
        log-potential whose exponential is beyond the range of a double.
    """
    index = {name: i for i, name in enumerate(graph.variables)}
    for variable in graph.variables.values():
        check_discrete(variable, "UAI")
    tables = [table for factor in graph.factors for table in _tables(factor)]
    is_bayesian = isinstance(graph, BayesianNetwork)
    lines = [
        "BAYES" if is_bayesian else "MARKOV",
        str(len(index)),
        " ".join(str(v.cardinality) for v in graph.variables.values()),
        str(len(tables)),
    ]
    lines += [" ".join(map(str, (len(s), *(index[v.name] for v in s)))) for s, _ in tables]
    for scope, values in tables:
        rows = values.reshape(-1, scope[-1].cardinality if scope else 1)
        lines += ["", str(values.numel()), *(" ".join(map(repr, row)) for row in rows.tolist())]
    write_text(path, "\n".join(lines) + "\n")


def _tables(factor: Factor) -> Iterator[tuple[tuple[Variable, ...], Tensor]]:
    """Yield the potentials of a factor, the child on the last axis."""
    potentials = factor.potentials()
    if potentials is not None:
        tables = [(factor.scope, potentials.detach().double())]
    else:
        try:
            tables = [(t.scope, _exponential(factor, t.values)) for t in factor.tables()]
        except NotTabularError as error:
            raise FormatError(f"{error}, and UAI files hold nothing else") from None
    for scope, values in tables:
        if factor.child is not None:
            axis = next(i for i, v in enumerate(scope) if v is factor.child)
            scope = (*scope[:axis], *scope[axis + 1 :], factor.child)
            values = values.movedim(axis, -1)
        yield scope, values


def _exponential(factor: Factor, log_values: Tensor) -> Tensor:
    log_values = log_values.detach().double()
    values = log_values.exp()
    lost = (values == torch.inf) | ((values == 0) & (log_values > -torch.inf))
    if bool(lost.any()):
        raise FormatError(
            f"{factor!r}: the exponential of the log-potential {float(log_values[lost][0]):.6g} is "
            "beyond the range of a double, and UAI files hold potentials"
        )
    return values


def read_evidence(
    path: str | PathLike[str], graph: FactorGraph, *, size_limit: int = SIZE_LIMIT
) -> dict[str, Index] | list[dict[str, Index]]:
    """Read the evidence that goes with a UAI network.

    Two headers are in use. The older file is one sample: the number of observations, then pairs of
    variable and state. The newer begins with the number of samples, on a line of its own.

    Parameters
    ----------
    path : path
        The ``.evid`` file.
    graph : FactorGraph
        The network; the file counts its variables in their order.

    Returns
    -------
    dict of str to Index, or list of such
        The state index of each observed variable, marked as one so that no query takes it for a
        label; a list where there are several samples.

    Raises
    ------
    FormatError
        If the file fits neither header, or names a variable or state that the network lacks.
    EvidenceError
        If the graph is something else.
    """
    _check_graph(graph)
    numbers = _Numbers(path, read_text(path, size_limit))
    first = numbers.count("the number of samples or observations")
    if first == 0 and not numbers.left:
        return {}
    lines = [line for line in numbers.text.splitlines() if line.strip()]
    several_fit = _fits(numbers.pieces, first)
    one_fits = len(numbers.pieces) == 1 + 2 * first
    if several_fit and (len(lines[0].split()) == 1 or not one_fits):
        samples = [_sample(numbers, graph) for _ in range(first)]
        return samples[0] if len(samples) == 1 else samples
    numbers.position = 0
    sample = _sample(numbers, graph)
    numbers.end()
    return sample


def _check_graph(graph: object) -> None:
    if not isinstance(graph, FactorGraph):
        raise EvidenceError(f"expected the network of the evidence, found {repr(graph)[:60]}")


def _fits(pieces: list[str], samples: int) -> bool:
    """Whether so many samples, each with its own count, fill the file exactly."""
    position = 1
    for _ in range(samples):
        if position >= len(pieces) or not _DIGITS.fullmatch(pieces[position]):
            return False
        position += 1 + 2 * int(pieces[position])
    return position == len(pieces)


def _sample(numbers: _Numbers, graph: FactorGraph) -> dict[str, Index]:
    names, sample = list(graph.variables), dict[str, Index]()
    observations = numbers.count("the number of observations")
    numbers.require(2 * observations, f"{observations:,} observations")
    for _ in range(observations):
        index = numbers.count("the number of a variable")
        if index >= len(names):
            problem = f"expected a variable below {len(names)}, found {index}"
            numbers.fail(problem, numbers.position - 1)
        name = names[index]
        if name in sample:
            numbers.fail(f"'{name}' is observed twice", numbers.position - 1)
        state = numbers.count(f"a state of '{name}'")
        if state >= (count := graph.variables[name].cardinality):
            problem = f"'{name}' has {count} states; found the state {state}"
            numbers.fail(problem, numbers.position - 1)
        sample[name] = Index(state)
    return sample


def write_evidence(
    samples: Mapping[str, object] | Sequence[Mapping[str, object]],
    graph: FactorGraph,
    path: str | PathLike[str],
) -> None:
    """Write evidence: one sample with the older header, a sequence with the newer.

    Parameters
    ----------
    samples : mapping of str to Index or label, or sequence of such
        The state of each observed variable, as queries take it: a label wins over an index.

    Raises
    ------
    UnknownVariableError, UnknownStateError
        If the network lacks the variable, or the variable the state.
    EvidenceError
        If the samples or the graph are something else, or an observed variable is an array.
    GraphError
        If an observed variable has no states.
    """
    _check_graph(graph)
    several = isinstance(samples, Sequence)
    lines = [str(len(samples))] if several else []
    index = {name: i for i, name in enumerate(graph.variables)}
    for sample in samples if several else [samples]:
        if not isinstance(sample, Mapping):
            raise EvidenceError(f"expected evidence by variable, found {repr(sample)[:60]}")
        observed = [(graph.variable(name), cell) for name, cell in sample.items()]
        for variable, _ in observed:
            if variable.shape:
                raise EvidenceError(f"'{variable.name}' is an array, and UAI files hold none")
        pairs = [f"{index[v.name]} {v.code(cell)}" for v, cell in observed]
        lines.append(" ".join((str(len(pairs)), *pairs)))
    write_text(path, "\n".join(lines) + "\n")
