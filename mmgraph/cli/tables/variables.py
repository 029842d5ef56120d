"""What a network's variables are, in records and words: states, parents and regressions."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmgraph.graph.factor import Factor
    from mmgraph.graph.factor_graph import FactorGraph

_CONFIGURATIONS = 4
"""Of so many states of the discrete parents a table shows the distributions."""


def variable_records(graph: FactorGraph) -> list[dict[str, Any]]:
    """Return a record of each variable, in a Bayesian network with parents and regressions."""
    import mmgraph

    net = graph if isinstance(graph, mmgraph.BayesianNetwork) else None
    return [
        {
            "name": name,
            "states": [str(label) for label in variable.labels] if variable.is_discrete else None,
            "shape": list(variable.shape),
            "family": variable.family,
            "modality": variable.modality,
            "parents": list(net.parents(name)) if net else None,
            "regressions": _regressions(net.distribution(name)) if net else None,
        }
        for name, variable in graph.variables.items()
    ]


def state_words(variable: dict[str, Any]) -> str:
    """Return the states of a record, or its family and shape, in words."""
    if variable["states"] is None:
        return variable["family"] + (f" {shape}" if (shape := tuple(variable["shape"])) else "")
    shown = ", ".join(variable["states"][:6])
    return shown + (f", … ({len(variable['states'])})" if len(variable["states"]) > 6 else "")


def _regressions(factor: Factor) -> list[dict[str, Any]] | None:
    """Of a real number the regressions, one for each state of its discrete parents; else None."""
    from mmgraph.graph.variable import element_names

    form = factor.linear_form()
    if form is None or form.log_weights is not None or form.child.shape:
        return None
    names = [name for v in form.continuous for name in element_names(v)]
    labels = itertools.product(*(v.labels for v in form.discrete))
    numbers = form.coefficients[:, 0], form.intercept[:, 0], form.covariance[:, 0, 0]
    return [
        {
            "given": {v.name: str(x) for v, x in zip(form.discrete, states, strict=True)},
            "intercept": intercept,
            "coefficients": dict(zip(names, coefficients, strict=True)),
            "variance": variance,
        }
        for states, coefficients, intercept, variance in zip(
            labels, *(tensor.tolist() for tensor in numbers), strict=True
        )
    ]


def normals(regressions: Sequence[dict[str, Any]]) -> str:
    """Return regressions in words, ``D=no: N(1 + 0.5 x, 2)``, a line each."""
    lines = []
    for regression in regressions[:_CONFIGURATIONS]:
        mean = f"{regression['intercept']:.4g}"
        for name, slope in regression["coefficients"].items():
            mean += f" {'-' if slope < 0 else '+'} {abs(slope):.4g} {name}"
        states = ", ".join(f"{name}={state}" for name, state in regression["given"].items())
        lines.append(f"{states}{states and ': '}N({mean}, {regression['variance']:.4g})")
    if len(regressions) > _CONFIGURATIONS:
        lines.append(f"… ({len(regressions)})")
    return "\n".join(lines)
