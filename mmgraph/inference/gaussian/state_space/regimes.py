"""Normal densities under several linear Gaussian systems, moved and conditioned side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from mmgraph.graph.errors import GraphError
from mmgraph.inference.gaussian.state_space.parameters import SystemParameters

_HALF_LOG_TWO_PI = 0.5 * np.log(2 * np.pi)


class Normals(NamedTuple):
    """Normal densities.

    Attributes
    ----------
    means : array of shape (densities, states)
    covariances : array of shape (densities, states, states)
    """

    means: Float64[np.ndarray, "*densities states"]
    covariances: Float64[np.ndarray, "*densities states states"]

    def at(self, index: np.ndarray) -> Normals:
        """Return those of some places."""
        return Normals(self.means[index], self.covariances[index])

    def mixed(self, weights: Float64[np.ndarray, "*batch densities"]) -> Normals:
        """Return the densities with the moments of mixtures along the axis of the weights' last."""
        mean = np.einsum("...k,...ki->...i", weights, self.means)
        apart = self.means - mean[..., None, :]
        spread = self.covariances + apart[..., None] * apart[..., None, :]
        return Normals(mean, np.einsum("...k,...kij->...ij", weights, spread))


class Regimes:
    """The systems of some regimes, stacked; each method takes a regime for each density.

    Parameters
    ----------
    systems : sequence of SystemParameters
    """

    def __init__(self, systems: Sequence[SystemParameters]) -> None:
        self.count = len(systems)
        self._p = SystemParameters._make(np.stack(arrays) for arrays in zip(*systems, strict=True))

    def start(self, regimes: Int64[np.ndarray, " densities"]) -> Normals:
        """Return the states of the first step."""
        return Normals(self._p.start_mean[regimes], self._p.start_covariance[regimes])

    def moved(self, before: Normals, regimes: Int64[np.ndarray, " densities"]) -> Normals:
        """Return the states of the next step, to which the regime leads."""
        move = self._p.transition[regimes]
        mean = np.einsum("bij,bj->bi", move, before.means) + self._p.transition_offset[regimes]
        spread = move @ before.covariances @ move.swapaxes(1, 2)
        return Normals(mean, spread + self._p.transition_covariance[regimes])

    def seen(
        self,
        states: Normals,
        regimes: Int64[np.ndarray, " densities"],
        row: Float64[np.ndarray, " features"],
    ) -> tuple[Normals, Float64[np.ndarray, " densities"]]:
        """Return the states given a row, by Joseph's form, and the log-density of the row.

        Raises
        ------
        GraphError
            If the row's covariance is singular.
        """
        there = np.flatnonzero(~np.isnan(row))
        if not len(there):
            return states, np.zeros(len(states.means))
        looking = self._p.observation[regimes][:, there]
        noise = self._p.observation_covariance[regimes][:, there][:, :, there]
        error = row[there] - self._p.observation_offset[regimes][:, there]
        error = error - np.einsum("bij,bj->bi", looking, states.means)
        shown = looking @ states.covariances
        spread = shown @ looking.swapaxes(1, 2) + noise
        try:
            root = np.linalg.cholesky(spread)
        except np.linalg.LinAlgError:
            raise GraphError("a regime makes a row certain: give its cells some noise") from None
        solved = np.linalg.solve(spread, np.concatenate([shown, error[..., None]], 2))
        gain = solved[..., :-1].swapaxes(1, 2)
        left = np.eye(states.means.shape[1]) - gain @ looking
        covariance = left @ states.covariances @ left.swapaxes(1, 2)
        covariance += gain @ noise @ gain.swapaxes(1, 2)
        density = -0.5 * np.einsum("bi,bi->b", error, solved[..., -1])
        density -= np.log(np.diagonal(root, 0, 1, 2)).sum(1) + len(there) * _HALF_LOG_TWO_PI
        mean = states.means + np.einsum("bij,bj->bi", gain, error)
        return Normals(mean, covariance), density

    def smoothed(
        self, filtered: Normals, later: Normals, regimes: Int64[np.ndarray, " densities"]
    ) -> tuple[Normals, Float64[np.ndarray, "densities states states"]]:
        """Return the states given all rows, from those of the next step, of these regimes.

        Besides the covariances of the next states (rows) with these.
        """
        move = self._p.transition[regimes]
        ahead = self.moved(filtered, regimes)
        back = (
            filtered.covariances
            @ move.swapaxes(1, 2)
            @ np.linalg.pinv(ahead.covariances, 1e-13, hermitian=True)
        )
        mean = filtered.means + np.einsum("bij,bj->bi", back, later.means - ahead.means)
        left = np.eye(mean.shape[1]) - back @ move
        covariance = left @ filtered.covariances @ left.swapaxes(1, 2)
        inside = self._p.transition_covariance[regimes] + later.covariances
        smoothed = Normals(mean, covariance + back @ inside @ back.swapaxes(1, 2))
        return smoothed, later.covariances @ back.swapaxes(1, 2)

    def overlap(
        self, filtered: Normals, later: Normals, regimes: Int64[np.ndarray, " densities"]
    ) -> Float64[np.ndarray, " densities"]:
        """Return log-densities of the states of the next step where those after this one are.

        Averaged over what both may be, up to a constant.
        """
        ahead = self.moved(filtered, regimes)
        values, axes = np.linalg.eigh(ahead.covariances + later.covariances)
        values = np.maximum(values, 1e-12 * values[:, -1:] + 1e-300)
        apart = np.einsum("bij,bi->bj", axes, later.means - ahead.means)
        logarithms: np.ndarray = -0.5 * (apart**2 / values + np.log(values)).sum(1)
        return logarithms
