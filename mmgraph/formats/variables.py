"""Variables as JSON describes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor

from mmgraph.formats.json_object import JsonObject, shown
from mmgraph.formats.text import nearest
from mmgraph.graph.errors import FormatError
from mmgraph.graph.variable import Variable

_FREE_STATES = 2**24
"""The states that counts may claim, all together, beyond what the parameters hold."""


def described(variable: Variable) -> dict[str, Any]:
    """Return what JSON says of a variable."""
    entry: dict[str, Any] = {"name": variable.name}
    if variable.states is not None:
        states = variable.states
        entry["states"] = states if isinstance(states, int) else list(states)
    if variable.shape:
        entry["shape"] = list(variable.shape)
    if variable.modality is not None:
        entry["modality"] = variable.modality
    if variable.family != "categorical":
        entry["family"] = variable.family
    if variable.columns is not None:
        entry["columns"] = list(variable.columns)
    return entry


def restored_variable(entry: JsonObject) -> Variable:
    """Return the variable that :func:`described` has described."""
    states = entry.get("states", object, ())
    if isinstance(states, list):
        for label in states:
            if not isinstance(label, str | int | float):
                raise FormatError(f"{entry.where}: {shown(label)} is no state")
        states = tuple(states)
    elif states == ():
        states = None
    elif not isinstance(states, int):
        raise FormatError(f"{entry.where}: expected states, found {shown(states)}")
    shape = entry.get("shape", list, [])
    if not all(isinstance(n, int) and not isinstance(n, bool) for n in shape):
        raise FormatError(f"{entry.where}: expected a shape of integers, found {shown(shape)}")
    columns = tuple(entry.get("columns", list)) if "columns" in entry else None
    return Variable(
        entry.get("name", str),
        states,
        shape=tuple(shape),
        modality=entry.get("modality", str) if "modality" in entry else None,
        family=entry.get("family", str, "categorical"),
        columns=columns,
    )


def named_variables(
    entry: JsonObject, names: Iterable[str], variables: Mapping[str, Variable]
) -> list[Variable]:
    """Return the variables of these names, or raise FormatError with the nearest one."""
    named = []
    for name in names:
        if name not in variables:
            hint = nearest(name, variables)
            raise FormatError(f"{entry.where}: there is no variable {shown(name)}{hint}")
        named.append(variables[name])
    return named


def check_free_states(
    where: str, entries: Sequence[JsonObject], tensors: Mapping[str, Tensor]
) -> None:
    """Refuse counts of states that nothing in the files stands behind."""
    claims = (entry.get("states", object, ()) for entry in entries)
    counts = [states for states in claims if isinstance(states, int)]
    bound = _FREE_STATES + sum(t.numel() for t in tensors.values())
    if sum(counts) > bound:
        raise FormatError(f"{where}: the variables claim {sum(counts):,} states, beyond {bound:,}")
