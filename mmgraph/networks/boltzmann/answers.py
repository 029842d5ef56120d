"""What a Boltzmann machine says of rows: posterior means by variable, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from mmgraph.graph.errors import warn_caller
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference import query
from mmgraph.networks.boltzmann.inputs.evidence import empty_rows, patterns
from mmgraph.networks.boltzmann.inputs.grey_values import refuse_grey

_METHODS = {"tempering": "parallel_tempering"}


class PriorWarning(UserWarning):
    """Rows in which nothing is observed: what is said of them is what the model holds anyway."""


@dataclass(frozen=True)
class Imputation:
    """What a machine says of missing variables.

    Attributes
    ----------
    means : dict of str to Tensor
        Posterior means ``(batch, *shape)``; of categorical variables the probabilities of their
        states, ``(batch, *shape, states)``. Observed elements have their observed values.
    samples : dict of str to Tensor
        ``(batch, draws, *shape)``, state indices of discrete variables; empty without draws.
    """

    means: dict[str, Float[Tensor, "batch ..."]]
    samples: dict[str, Shaped[Tensor, "batch draws *shape"]]

    def __getitem__(self, name: str) -> Float[Tensor, "batch ..."]:
        """The posterior means of one variable."""
        return self.means[name]


def method_named(method: str) -> str:
    """Return the full name of a method of inference that goes by a shorter one here."""
    return _METHODS.get(method, method)


def warn_of_empty(evidence: Evidence) -> None:
    """Say so where a row observes nothing; for methods that users call."""
    empty = np.flatnonzero(empty_rows(evidence))
    if len(empty):
        which = ", ".join(map(str, empty[:8])) + (", …" if len(empty) > 8 else "")
        rows = f"row {which} observes" if len(empty) == 1 else f"rows {which} observe"
        warn_caller(
            f"{rows} nothing: the answer there is the prior of the model",
            PriorWarning,
        )


def posterior_means(
    graph: FactorGraph,
    evidence: Evidence,
    names: Sequence[str],
    method: str = "mean_field",
    options: Mapping[str, Any] | None = None,
) -> dict[str, Float[Tensor, "batch ..."]]:
    """Return posterior means of some variables, of categorical ones probabilities.

    Rows that observe the same variables go together: what these say is then summed only once.
    """
    if method != "mean_field":
        refuse_grey(evidence, f"the method {method!r}")
    result: dict[str, Tensor] = {}
    for index in patterns(evidence):
        rows = evidence if len(index) == evidence.batch else evidence.rows(index)
        posterior = query.query(graph, rows, list(names), method_named(method), **(options or {}))
        for name in names:
            categorical = graph.variables[name].family == "categorical"
            means = posterior.marginal(name) if categorical else posterior.mean(name)
            if len(index) == evidence.batch:
                result[name] = means
                continue
            if name not in result:
                result[name] = means.new_zeros(evidence.batch, *means.shape[1:])
            result[name][torch.from_numpy(index).to(means.device)] = means
    return result
