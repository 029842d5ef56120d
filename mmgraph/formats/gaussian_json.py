"""Gaussian networks of bnlearn in the JSON of pgmpy: real numbers, each linear in its parents.

``{"nodes": ["a", "b"], "arcs": [["a", "b"]], "cpds": {"b": {"coefficients": {"(Intercept)": [0.5],
"a": [2.0]}, "variance": [0.25], "parents": ["a"]}, …}}``, where the variance is that of the noise:
bnlearn prints its square root, the standard deviation of the residuals. Modalities are written as
another member, ``"modalities": {"a": "camera"}``, over which pgmpy passes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

from mmgraph.formats.json_object import JsonObject, read_json, shown
from mmgraph.formats.variables import named_variables
from mmgraph.graph.errors import FormatError, GraphError
from mmgraph.graph.factor import Factor
from mmgraph.graph.leaves.linear_gaussian import LinearGaussian
from mmgraph.graph.storage.whole_files import write_text
from mmgraph.graph.variable import Variable
from mmgraph.networks.bayesian_network import BayesianNetwork

SIZE_LIMIT = 2**28
"""The bytes that a file may hold; Python's objects take some ten times as many."""

_INTERCEPT = "(Intercept)"


class Regression(NamedTuple):
    """The regression of a scalar variable on scalar parents, and the variance of its noise."""

    child: str
    parents: tuple[str, ...]
    coefficients: list[float]
    intercept: float
    variance: float


def regression(factor: Factor, format_name: str) -> Regression:
    """Return the regression that a distribution is; FormatError with the reason if it is none."""
    only = f"{format_name} holds real numbers alone, each linear in its parents with normal noise"
    instead = f"and {only}; write a .mmgraph directory instead"
    for v in factor.scope:
        if v.is_discrete or v.shape:
            what = "discrete" if v.is_discrete else f"an array of shape {v.shape}"
            raise FormatError(f"'{v.name}' is {what}, {instead}")
    form = factor.linear_form()
    if form is None or len(form.intercept) != 1:
        raise FormatError(f"{factor!r} is no linear Gaussian distribution, {instead}")
    return Regression(
        form.child.name,
        tuple(v.name for v in form.continuous),
        form.coefficients.reshape(-1).tolist(),
        form.intercept.item(),
        form.covariance.item(),
    )


def read_gaussian_json(
    path: str | PathLike[str], *, size_limit: int = SIZE_LIMIT
) -> BayesianNetwork:
    """Read a network of linear Gaussian distributions.

    Parameters
    ----------
    path, size_limit
        As for :func:`~mmgraph.formats.files.read_bytes`.

    Raises
    ------
    FormatError
        With file, node, what was expected and what was found.
    """
    file = JsonObject(str(path), read_json(Path(path), size_limit))
    file.get("nodes", list)
    modalities = JsonObject(f"{path}, modalities", file.get("modalities", dict, {}))
    variables: dict[str, Variable] = {}
    try:
        for name in file.names("nodes"):
            if name in variables:
                raise FormatError(f"{path}: the node {shown(name)} is given twice")
            modality = modalities.get(name, str) if name in modalities else None
            variables[name] = Variable(name, modality=modality, family="gaussian")
        if not variables:
            raise FormatError(f"{path}: expected a name in 'nodes', found none")
        named_variables(modalities, modalities.members, variables)
        distributions = file.get("cpds", dict)
        named_variables(file, distributions, variables)
        factors = [
            _distribution(JsonObject(f"{path}, node {shown(name)}", entry), name, variables)
            for name, entry in distributions.items()
        ]
        net = BayesianNetwork(variables.values(), factors)
    except GraphError as error:
        raise FormatError(f"{path}: {error}") from None
    _check_arcs(file, net.edges)
    return net


def _distribution(
    entry: JsonObject, name: str, variables: Mapping[str, Variable]
) -> LinearGaussian:
    entry.get("parents", list)
    names = entry.names("parents")
    parents = named_variables(entry, names, variables)
    coefficients = JsonObject(f"{entry.where}, coefficients", entry.get("coefficients", dict))
    for term in coefficients.members:
        if term != _INTERCEPT and term not in names:
            raise FormatError(f"{coefficients.where}: {shown(term)} is no parent of the node")
    if _INTERCEPT in names:
        raise FormatError(f"{entry.where}: a parent cannot be called '{_INTERCEPT}'")
    slopes = [_number(coefficients, parent) for parent in names]
    intercept, variance = _number(coefficients, _INTERCEPT), _number(entry, "variance")
    try:
        return LinearGaussian(variables[name], parents, slopes, intercept, variance)
    except GraphError as error:
        raise FormatError(f"{entry.where}: {error}") from None


def _number(entry: JsonObject, key: str) -> float:
    """Return a finite number, which R and pgmpy write as a list of one."""
    value: Any = entry.get(key, object)
    if isinstance(value, list) and len(value) == 1:
        (value,) = value
    try:
        number = float(value) if type(value) in (int, float) else math.nan
    except OverflowError:  # a whole number beyond the doubles
        number = math.inf
    if not math.isfinite(number):
        raise FormatError(
            f"{entry.where}: expected one finite number as {shown(key)}, found {shown(value)}"
        )
    return number


def _check_arcs(file: JsonObject, edges: Iterable[tuple[str, str]]) -> None:
    """Refuse arcs that are not those from the parents of each node."""
    arcs: set[tuple[str, str]] = set()
    for arc in file.get("arcs", list):
        if not (isinstance(arc, list) and [type(end) for end in arc] == [str, str]):
            raise FormatError(f"{file.where}: expected an arc [parent, child], found {shown(arc)}")
        parent, child = arc
        if (parent, child) in arcs:
            raise FormatError(f"{file.where}: the arc {shown(arc)} is given twice")
        arcs.add((parent, child))
    known = set(edges)
    for arc in sorted(arcs ^ known):
        where = (
            "'arcs' and not among the parents" if arc in arcs else "the parents and not in 'arcs'"
        )
        raise FormatError(f"{file.where}: {shown(list(arc))} stands in {where}")


def write_gaussian_json(net: BayesianNetwork, path: str | PathLike[str]) -> None:
    """Write a network of scalar linear Gaussian distributions, which pgmpy can load.

    Numbers are written with the digits that give back the same double.

    Raises
    ------
    FormatError
        If a variable is discrete or an array, a distribution is not linear Gaussian, or the file
        cannot be written.
    """
    try:
        regressions = [regression(f, "the JSON of Gaussian networks") for f in net.factors]
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from None
    for parent, child in net.edges:
        if parent == _INTERCEPT:
            raise FormatError(
                f"{path}: '{parent}', a parent of '{child}', cannot be called so here"
            )
    document: dict[str, Any] = {
        "nodes": list(net.variables),
        "arcs": list(net.edges),
        "cpds": {
            r.child: {
                "coefficients": {
                    _INTERCEPT: [r.intercept],
                    **{p: [c] for p, c in zip(r.parents, r.coefficients, strict=True)},
                },
                "variance": [r.variance],
                "parents": r.parents,
            }
            for r in regressions
        },
    }
    modalities = {name: v.modality for name, v in net.variables.items() if v.modality is not None}
    if modalities:
        document["modalities"] = modalities
    write_text(path, json.dumps(document, indent=2) + "\n")
