"""Interactions and the factors made of them, as settings and parameters that a file can hold."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from mmgraph.graph.errors import GraphError
from mmgraph.graph.factors.edges import PairwiseFactor
from mmgraph.graph.factors.grid import GridFactor
from mmgraph.graph.factors.interaction import (
    Interaction,
    Potts,
    Tabulated,
    TruncatedLinear,
    TruncatedQuadratic,
)
from mmgraph.graph.variable import Variable

_TRUNCATED: dict[str, type[TruncatedLinear | TruncatedQuadratic]] = {
    "truncated linear": TruncatedLinear,
    "truncated quadratic": TruncatedQuadratic,
}
_LARGEST_NEIGHBOURHOOD = 4096
"""The most neighbours of an element that a file may ask for."""


def interaction_settings(interaction: Interaction) -> dict[str, Any]:
    """Return what JSON says of an interaction; a table is a parameter and not told here.

    Raises
    ------
    GraphError
        If the interaction is of a class of the user's own.
    """
    if type(interaction) is Potts:
        return {"interaction": "Potts"}
    if type(interaction) is Tabulated:
        return {"interaction": "table"}
    for name, kind in _TRUNCATED.items():
        if type(interaction) is kind:
            truncation = interaction.truncation
            limit = {} if math.isinf(truncation) else {"truncation": truncation}
            return {"interaction": name, **limit}
    raise GraphError(f"{interaction!r} is of a kind that cannot be written")


def interaction_parameters(interaction: Interaction) -> dict[str, Tensor]:
    """Return the table of an interaction that has one."""
    return {"energies": interaction.table} if isinstance(interaction, Tabulated) else {}


def restored_interaction(
    settings: Mapping[str, Any], parameters: Mapping[str, Tensor]
) -> Interaction:
    """Return the interaction that the two functions above have described.

    Raises
    ------
    GraphError
        If they describe none.
    """
    name = settings.get("interaction")
    if name == "Potts":
        return Potts()
    if name == "table":
        if "energies" not in parameters:
            raise GraphError("expected the parameter energies, found none")
        return Tabulated(parameters["energies"])
    if name in _TRUNCATED:
        truncation = settings.get("truncation", math.inf)
        if isinstance(truncation, bool) or not isinstance(truncation, int | float):
            raise GraphError(f"expected a truncation, found {truncation!r}"[:80])
        return _TRUNCATED[name](float(truncation))
    raise GraphError(f"the interaction {name!r} is not known"[:80])


def grid_parameters(factor: GridFactor) -> dict[str, Tensor]:
    """Return the weights, and the table of energies if there is one."""
    return {"weights": factor.weights, **interaction_parameters(factor.interaction)}


def grid_settings(factor: GridFactor) -> dict[str, Any]:
    """Return the interaction and the offsets of the neighbours."""
    offsets = [list(offset) for offset in factor.offsets]
    return {**interaction_settings(factor.interaction), "offsets": offsets}


def restore_grid(
    scope: Sequence[Variable],
    child: Variable | None,
    parameters: Mapping[str, Tensor],
    settings: Any,
) -> GridFactor:
    """Put a grid factor together.

    Raises
    ------
    GraphError
        If the parts do not fit.
    """
    if len(scope) != 1 or child is not None:
        raise GraphError("a grid factor has one variable and no child")
    interaction = _checked(parameters, settings, {"weights"})
    return GridFactor(
        scope[0], interaction, parameters["weights"], restored_offsets(settings.get("offsets"))
    )


def restored_offsets(given: object) -> list[tuple[int, ...]]:
    """Return offsets from a list of lists of integers.

    Raises
    ------
    GraphError
        If it is something else, or too long.
    """
    if not isinstance(given, list) or len(given) > _LARGEST_NEIGHBOURHOOD:
        raise GraphError("expected a list of offsets")
    for offset in given:
        if not isinstance(offset, list) or not all(type(step) is int for step in offset):
            raise GraphError(f"expected an offset, found {offset!r}"[:80])
    return [tuple(offset) for offset in given]


def pairwise_parameters(factor: PairwiseFactor) -> dict[str, Tensor]:
    """Return edges, weights, and the table of energies if there is one."""
    first, second, weights = factor.edges()
    pairs = torch.stack([first, second], 1)
    return {"edges": pairs, "weights": weights, **interaction_parameters(factor.interaction)}


def pairwise_settings(factor: PairwiseFactor) -> dict[str, Any]:
    """Return the interaction."""
    return interaction_settings(factor.interaction)


def restore_pairwise(
    scope: Sequence[Variable],
    child: Variable | None,
    parameters: Mapping[str, Tensor],
    settings: Any,
) -> PairwiseFactor:
    """Put a pairwise factor together.

    Raises
    ------
    GraphError
        If the parts do not fit.
    """
    if len(scope) not in (1, 2) or child is not None:
        raise GraphError("a pairwise factor has one variable or two, and no child")
    interaction = _checked(parameters, settings, {"edges", "weights"})
    if parameters["edges"].dtype != torch.int64:
        raise GraphError(f"the edges are {parameters['edges'].dtype}, not int64")
    ends = scope[0] if len(scope) == 1 else (scope[0], scope[1])
    return PairwiseFactor(ends, parameters["edges"], interaction, parameters["weights"])


def _checked(parameters: Mapping[str, Tensor], settings: Any, names: set[str]) -> Interaction:
    interaction = restored_interaction(settings, parameters)
    expected = names | set(interaction_parameters(interaction))
    if set(parameters) != expected:
        found = ", ".join(parameters) or "nothing"
        raise GraphError(f"expected the parameters {', '.join(sorted(expected))}, found {found}")
    return interaction
