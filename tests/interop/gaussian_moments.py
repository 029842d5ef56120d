"""Means and covariances of Gaussian networks by plain numpy, and by pgmpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mmgraph as mm


def moments(net: mm.BayesianNetwork) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and covariance of all variables in their order, parents before children."""
    place = {name: i for i, name in enumerate(net.variables)}
    mean, covariance = np.zeros(len(place)), np.zeros((len(place), len(place)))
    done: list[int] = []
    for name in net.topological_order():
        form = net.distribution(name).linear_form()
        assert form is not None
        row = np.zeros(len(place))
        row[[place[v.name] for v in form.continuous]] = form.coefficients.reshape(-1).numpy()
        i = place[name]
        mean[i] = form.intercept.item() + row @ mean
        covariance[i, done] = covariance[done, i] = (row @ covariance)[done]
        covariance[i, i] = form.covariance.item() + row @ covariance @ row
        done.append(i)
    return mean, covariance


def assert_same_moments(net: mm.BayesianNetwork, model: Any) -> None:
    """Assert that a network has the moments that ``to_joint_gaussian`` of pgmpy gives."""
    import networkx as nx

    mean, covariance = model.to_joint_gaussian()
    order = list(nx.topological_sort(model))
    places = [order.index(name) for name in net.variables]
    expected = mean[places], covariance[np.ix_(places, places)]
    for numbers, others in zip(moments(net), expected, strict=True):
        assert numbers == pytest.approx(others, rel=1e-9, abs=6e-9)  # pgmpy rounds to 8 decimals
