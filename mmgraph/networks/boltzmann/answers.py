"""What a Boltzmann machine says of rows: posterior means by variable, and what is missing."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from mmgraph.graph.evidence import Evidence
from mmgraph.inference import query
from mmgraph.networks.boltzmann.inputs.evidence import empty_rows, evidence_of, incomplete, patterns
from mmgraph.networks.boltzmann.inputs.grey import refuse_grey

if TYPE_CHECKING:
    from mmgraph.networks.boltzmann.machine import BoltzmannMachine

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


def given_rows(machine: BoltzmannMachine, evidence: object) -> Evidence:
    """Read evidence, and say so where a row observes nothing.

    Warns
    -----
    PriorWarning
        With the rows.
    """
    given = evidence_of(machine, evidence)
    empty = np.flatnonzero(empty_rows(given))
    if len(empty):
        which = ", ".join(map(str, empty[:8])) + (", …" if len(empty) > 8 else "")
        rows = f"row {which} observes" if len(empty) == 1 else f"rows {which} observe"
        warnings.warn(
            f"{rows} nothing: the answer there is the prior of the model",
            PriorWarning,
            stacklevel=3,
        )
    return given


def posterior_means(
    machine: BoltzmannMachine,
    evidence: Evidence,
    names: Sequence[str],
    method: str,
    options: Mapping[str, Any],
) -> dict[str, Float[Tensor, "batch ..."]]:
    """Return posterior means of some variables, of categorical ones probabilities.

    Rows that observe the same variables go together: what these say is then summed only once.

    Raises
    ------
    MmgraphError
        If a mean is not finite.
    """
    if method != "mean_field":
        refuse_grey(evidence, f"the method {method!r}")
    result: dict[str, Tensor] = {}
    for index in patterns(evidence):
        rows = evidence if len(index) == evidence.batch else evidence.rows(index)
        posterior = query.query(machine, rows, list(names), method_named(method), **options)
        for name in names:
            categorical = machine.variables[name].family == "categorical"
            found = posterior.marginal(name) if categorical else posterior.mean(name)
            if len(index) == evidence.batch:
                result[name] = found
                continue
            if name not in result:
                result[name] = found.new_zeros(evidence.batch, *found.shape[1:])
            result[name][torch.from_numpy(index).to(found.device)] = found
    return result


def imputation(
    machine: BoltzmannMachine,
    evidence: Evidence,
    variables: Sequence[str] | str | None,
    draws: int,
    generator: torch.Generator | None,
    method: str,
    sampling: Mapping[str, Any] | None,
    options: Mapping[str, Any],
) -> Imputation:
    """Fill in what is missing, see :meth:`BoltzmannMachine.impute`."""
    if variables is None:
        names = [v.name for v in machine.visible if incomplete(evidence, v)]
    else:
        names = [variables] if isinstance(variables, str) else list(variables)
    for name in names:
        machine.variable(name)
    means = posterior_means(machine, evidence, names, method, options) if names else {}
    samples: dict[str, Tensor] = {}
    if draws and names:
        refuse_grey(evidence, "sampling")
        chosen = {"method": "gibbs", **(sampling or {})}
        drawn = machine.sample(draws, evidence, generator, **chosen).codes
        samples = {n: drawn[n] if evidence.batch > 1 else drawn[n].unsqueeze(0) for n in names}
    return Imputation(means, samples)
