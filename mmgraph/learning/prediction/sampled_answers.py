"""Answers with intervals: how far they vary with parameters drawn from their posterior."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float64

from mmgraph.graph.errors import EvidenceError, ZeroProbabilityError, check_choice
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.options import check_count, check_types, variable_names
from mmgraph.learning.prediction.prediction import (
    Question,
    answers_of,
    check_one_name,
    evidence_chunks,
    expected_values,
    marginals,
    shape_of,
    table_of,
    with_rows_counted_from,
)

_CELLS = 1 << 25
"""So many answers of all networks are held at once."""


Draw = Callable[[torch.Generator | None], FactorGraph]
"""Returns a graph with drawn parameters."""


class Intervals(NamedTuple):
    """Expected answers, and the ends of central intervals that hold them with some probability.

    Attributes
    ----------
    mean, low, high : ndarray
        Of the same shape: ``(rows, states)`` for probabilities, ``(rows, *shape)`` for real values.
    """

    mean: Float64[np.ndarray, "rows ..."]
    low: Float64[np.ndarray, "rows ..."]
    high: Float64[np.ndarray, "rows ..."]


def is_asked(parameters: str, options: Mapping[str, Any]) -> bool:
    """Whether parameters are to be drawn; EvidenceError if the word is neither,

    or if they are not, and options say how they should be.
    """
    check_choice("parameters", parameters, ("fitted", "sample"), EvidenceError)
    if parameters == "sample":
        return True
    for option in fields(Sampling):
        if option.name in options:
            raise EvidenceError(f"'{option.name}' goes with parameters=\"sample\"")
    return False


@dataclass(frozen=True)
class Sampling:
    """How parameters are drawn, and what is told of the answers.

    Parameters
    ----------
    draws : int, default 200
        How many networks are asked.
    level : float, default 0.9
        The share of them whose answers an interval holds.
    generator : torch.Generator, optional
        The source of randomness.
    """

    draws: int = 200
    level: float = 0.9
    generator: torch.Generator | None = None

    @classmethod
    def split(cls, options: Mapping[str, Any]) -> tuple[Sampling, dict[str, Any]]:
        """Return the record of those options that are its own, and the others."""
        names = [f.name for f in fields(cls)]
        own = {name: value for name, value in options.items() if name in names}
        check_types(cls, own)
        made = cls(**own)
        check_count(made.draws, "draws")
        if not 0 < made.level < 1:
            raise EvidenceError(f"a level lies between 0 and 1, not at {made.level}")
        return made, {name: value for name, value in options.items() if name not in names}


def predict(
    graph: FactorGraph,
    draw: Draw,
    data: object,
    variables: str | Sequence[str] | None,
    impossible: str = "raise",
    **options: Any,
) -> Intervals:
    """Return expected values of a continuous variable, with intervals over drawn parameters."""
    names = variable_names(variables) or ()
    if len(names) != 1 or graph.variable(names[0]).is_discrete:
        raise EvidenceError(
            'parameters="sample" gives intervals of the expected values of one continuous '
            "variable, that is named; predict_proba gives those of probabilities"
        )
    return _intervals(graph, draw, data, names, impossible, expected_values, options)


def predict_proba(
    graph: FactorGraph,
    draw: Draw,
    data: object,
    variable: str,
    impossible: str = "raise",
    **options: Any,
) -> Intervals:
    """Return posteriors of a discrete variable, with intervals over drawn parameters."""
    check_one_name(graph, variable)
    answers = _intervals(graph, draw, data, (variable,), impossible, marginals, options)
    return Intervals(*(table_of(graph, variable, part) for part in answers))


def _intervals(
    graph: FactorGraph,
    draw: Draw,
    data: object,
    names: tuple[str, ...],
    impossible: str,
    ask: Question,
    options: Mapping[str, Any],
) -> Intervals:
    how, reading = Sampling.split(options)
    drawn = [draw(how.generator) for _ in range(how.draws)]
    ends = [(1 - how.level) / 2, (1 + how.level) / 2]
    parts, first = [], 0
    for evidence in evidence_chunks(graph, data, names, reading):
        width = max(1, math.prod(shape_of(graph, names)))
        for rows in np.array_split(
            np.arange(evidence.batch), -(-evidence.batch * width * how.draws // _CELLS)
        ):
            here = evidence.rows(rows)
            answers = np.stack([_asked(net, here, names, impossible, ask, first) for net in drawn])
            parts.append((answers.mean(0), *np.quantile(answers, ends, axis=0)))
            first += len(rows)
    return Intervals(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def _asked(
    graph: FactorGraph,
    evidence: Evidence,
    names: Sequence[str],
    impossible: str,
    ask: Question,
    first: int,
) -> np.ndarray:
    """The answer of a network to some rows, which begin at row ``first`` of the table."""
    try:
        (answer,) = answers_of(graph, evidence, names, impossible, {}, ask)
    except ZeroProbabilityError as error:
        raise with_rows_counted_from(first, error) from None
    return answer
