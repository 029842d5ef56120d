"""Bayesian networks in the Interchange Format (BIF 0.15; Cozman 1998), plain or gzipped.

What other programs write is read: any state name (``/``, ``-``, ``<``, ``=``, leading digits,
quoted strings), names with blanks between commas, optional commas, comments, properties, rows in
any order, ``default`` and ``table`` entries. Two liberties of the format are not taken, since they
would hide mistakes: stray text between blocks is an error, and so are rows that are missing without
a default.

The numbers of a ``table`` stand in the counting order of the variables as the block names them: the
child moves slowest and the last parent fastest. (XMLBIF differs: there the child moves fastest.)
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import product
from os import PathLike

from mmgraph.formats.bif.syntax import Declaration, Distribution, parse
from mmgraph.formats.bif.tables import TableReader
from mmgraph.formats.files import SIZE_LIMIT, read_text
from mmgraph.formats.network_file import NetworkFile
from mmgraph.formats.tables import check_discrete, conditional_values
from mmgraph.formats.text import Fail, fail, quoted
from mmgraph.graph.errors import FormatError
from mmgraph.graph.factor import Factor
from mmgraph.graph.storage.whole_files import write_text
from mmgraph.graph.variable import FAMILIES, Label, Variable
from mmgraph.networks.bayesian_network import BayesianNetwork


def read_bif(path: str | PathLike[str], *, size_limit: int = SIZE_LIMIT) -> BayesianNetwork:
    """Read a Bayesian network from a BIF file.

    A row whose sum is off one by rounding (within 0.01) is divided by its sum; one within 1e-12 is
    kept to the last bit.

    Parameters
    ----------
    path, size_limit
        As for :func:`~mmgraph.formats.files.read_bytes`.

    Raises
    ------
    FormatError
        With file, line, what was expected and what was found.
    """
    text = read_text(path, size_limit)
    document = parse(path, text)
    file = NetworkFile[Distribution](path, "a block 'variable'", "'{}' is declared twice")
    for declaration in document.declarations:
        _declare(file, declaration, partial(fail, path, text, declaration.start))
    for distribution in document.distributions:
        child = distribution.names[0]
        file.distribute(child, distribution, partial(fail, path, text, distribution.start))
    states = {d.name: d.states for d in document.declarations}
    return file.network(TableReader(file, text, states).factor)


def _declare(file: NetworkFile[Distribution], declaration: Declaration, fail: Fail) -> None:
    name, properties = declaration.name, declaration.properties
    try:
        states = _labels(declaration.states, properties.get("state_type"))
    except ValueError as error:
        fail(str(error))
    family = properties.get("family", "categorical")
    if family not in FAMILIES[:2]:
        families = " or ".join(FAMILIES[:2])
        fail(f"expected the family {families} for '{name}', found '{family[:60]}'")
    file.declare(name, states, fail, properties.get("modality"), family=family)


def write_bif(net: BayesianNetwork, path: str | PathLike[str]) -> None:
    """Write a Bayesian network of tables to a BIF file (gzipped where the name ends in ``.gz``).

    Numbers are written with the digits that give back the same double, and what BIF has no words
    for (modalities, families, states that are not strings) as properties, which other programs
    skip: a network in double precision whose rows sum to one within 1e-12 is read back to the last
    bit.

    Raises
    ------
    FormatError
        If a distribution is not a table, a name cannot be written, or the file cannot.
    """
    if not net.variables:
        raise FormatError(f"{path}: a network without variables cannot be written as BIF")
    blocks = ["network unknown {\n}\n"]
    blocks += [_variable_block(variable) for variable in net.variables.values()]
    for factor in net.factors:
        blocks += _probability_block(factor)
    write_text(path, "".join(blocks))


def _variable_block(variable: Variable) -> str:
    check_discrete(variable, "BIF")
    states = _spellings(variable)
    lines = [
        f"variable {quoted(variable.name)} {{\n",
        f"  type discrete [ {len(states)} ] {{ {', '.join(map(quoted, states))} }};\n",
    ]
    if not all(isinstance(label, str) for label in variable.labels):
        lines.append(f"  property state_type = {_state_type(variable)} ;\n")
    if variable.family != "categorical":
        lines.append(f"  property family = {variable.family} ;\n")
    if variable.modality is not None:
        if "\n" in variable.modality or not variable.modality:
            raise FormatError(
                f"'{variable.name}': the modality {variable.modality!r} is empty or has a line "
                "break, which a property of a BIF file cannot have"
            )
        lines.append(f"  property modality = {quoted(variable.modality)} ;\n")
    return "".join((*lines, "}\n"))


def _probability_block(factor: Factor) -> Iterator[str]:
    child, parents, table = conditional_values(factor, "BIF")
    rows = table.reshape(-1, child.cardinality).tolist()
    condition = f" | {', '.join(quoted(p.name) for p in parents)}" if parents else ""
    yield f"probability ( {quoted(child.name)}{condition} ) {{\n"
    if not parents:
        yield f"  table {', '.join(map(repr, rows[0]))};\n"
    else:
        states = [[quoted(s) for s in _spellings(p)] for p in parents]
        for row, names in zip(rows, product(*states), strict=True):
            yield f"  ({', '.join(names)}) {', '.join(map(repr, row))};\n"
    yield "}\n"


def _spellings(variable: Variable) -> list[str]:
    states = [str(label) for label in variable.labels]
    if len(set(states)) < len(states):
        raise FormatError(f"two states of '{variable.name}' are written alike: {states}")
    return states


def _state_type(variable: Variable) -> str:
    """Name the types of the labels, so that 1 is read back as a number and not as ``"1"``."""
    if isinstance(variable.states, int):
        return "count"
    kinds = [
        next(k.__name__ for k in (bool, int, float, str) if isinstance(label, k))
        for label in variable.labels
    ]
    return kinds[0] if len(set(kinds)) == 1 else ", ".join(kinds)


def _labels(states: tuple[str, ...], state_type: str | None) -> int | tuple[Label, ...]:
    if state_type is None:
        return states
    if state_type == "count":
        if states != tuple(map(str, range(len(states)))):
            raise ValueError("the state type 'count' asks for the states 0, 1, 2, …")
        return len(states)
    kinds = [kind.strip() for kind in state_type.split(",")]
    if len(kinds) == 1:
        kinds *= len(states)
    if len(kinds) != len(states):
        raise ValueError(f"expected {len(states)} state types, found {len(kinds)}")
    return tuple(map(_label, states, kinds))


def _label(state: str, kind: str) -> Label:
    if kind == "str":
        return state
    if kind == "bool" and state in ("True", "False"):
        return state == "True"
    if kind in ("int", "float"):
        return int(state) if kind == "int" else float(state)
    raise ValueError(f"the state '{state[:60]}' is not of the type '{kind[:60]}'")
