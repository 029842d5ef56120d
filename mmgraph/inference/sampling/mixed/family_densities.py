"""Densities of continuous variables whose parents are all known, in each configuration."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from mmgraph.inference.gaussian.model import GaussianModel
from mmgraph.inference.numerics.compiling import compiled


def family_log_densities(
    model: GaussianModel,
    factors: Int64[np.ndarray, " some"],
    values: Float64[np.ndarray, "rows elements"],
) -> list[Float64[np.ndarray, "rows states components"]]:
    """Return the log-density of the child of each factor, the weights of components with it."""
    tables = []
    for f in factors.tolist():
        form = model.forms[f]
        table = np.empty((len(values), len(form.intercept)))
        equations = model.first_equation[f : f + 2]
        _write_log_densities(model.equations, *equations.tolist(), values, table)
        if form.log_weights is not None:
            weights: Any = form.log_weights.detach().cpu().double().numpy()
            table += weights.ravel()
            tables.append(table.reshape(len(values), -1, weights.shape[-1]))
        else:
            tables.append(table[..., None])
    return tables


@compiled
def _write_log_densities(equations, begin, end, values, table):  # type: ignore[no-untyped-def]
    rows, configurations = table.shape
    for row in range(rows):
        for c in range(configurations):
            total = 0.0
            for i in range(begin, end):
                first, last = equations.first[i], equations.first[i + 1]
                place = equations.place[i] + c * (last - first)
                away = -equations.constants[equations.constant_place[i] + c]
                for j in range(last - first):
                    element = equations.columns[first + j]
                    away += equations.coefficients[place + j] * values[row, element]
                total += equations.log_factors[equations.constant_place[i] + c] - 0.5 * away * away
            table[row, c] = total
