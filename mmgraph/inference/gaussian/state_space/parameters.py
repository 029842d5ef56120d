"""The parameters of a linear Gaussian system, checked, and as compiled code takes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Self

import numpy as np
from jaxtyping import Float64

from mmgraph.graph.errors import GraphError
from mmgraph.inference.gaussian.state_space.root_kernels import System

_UNROLLED = (4, 8)
"""Numbers of states for which code is compiled; smaller systems are padded to them."""


class SystemParameters(NamedTuple):
    """``x[t+1] = F x[t] + c + w`` and ``y[t] = H x[t] + d + v`` with normal noise ``w`` and ``v``.

    Attributes
    ----------
    transition : array of shape (states, states)
        F.
    observation : array of shape (features, states)
        H.
    transition_covariance : array of shape (states, states)
        Of w.
    observation_covariance : array of shape (features, features)
        Of v.
    start_mean, start_covariance : arrays of shape (states,) and (states, states)
        Of the state of the first row.
    transition_offset, observation_offset : arrays of shape (states,) and (features,)
        c and d.
    """

    transition: Float64[np.ndarray, "states states"]
    observation: Float64[np.ndarray, "features states"]
    transition_covariance: Float64[np.ndarray, "states states"]
    observation_covariance: Float64[np.ndarray, "features features"]
    start_mean: Float64[np.ndarray, " states"]
    start_covariance: Float64[np.ndarray, "states states"]
    transition_offset: Float64[np.ndarray, " states"]
    observation_offset: Float64[np.ndarray, " features"]

    @classmethod
    def checked(cls, given: Mapping[str, object]) -> Self:
        """Return parameters of which offsets and the start may be None: zero, and unit covariance.

        Raises
        ------
        GraphError
            If shapes do not match, a number is not finite, or a covariance is not symmetric or has
            a negative eigenvalue: which parameter.
        """
        transition = _finite("transition", given["transition"], None)
        states = len(transition)
        observation = _finite("observation", given["observation"], None)
        features = len(observation)
        shapes = {
            "transition": (states, states),
            "observation": (features, states),
            "transition_covariance": (states, states),
            "observation_covariance": (features, features),
            "start_mean": (states,),
            "start_covariance": (states, states),
            "transition_offset": (states,),
            "observation_offset": (features,),
        }
        arrays = []
        for name, shape in shapes.items():
            value = given.get(name)
            if value is None:
                value = np.eye(states) if name == "start_covariance" else np.zeros(shape)
            array = _finite(name, value, shape)
            arrays.append(_covariance(name, array) if name.endswith("covariance") else array)
        return cls(*arrays)

    @property
    def states(self) -> int:
        """How many numbers the hidden state has."""
        return len(self.transition)

    @property
    def features(self) -> int:
        """How many cells a row has."""
        return len(self.observation)

    def compiled(
        self,
    ) -> tuple[System, Float64[np.ndarray, " size"], Float64[np.ndarray, "size size"]]:
        """Return the system, the start's mean and its root, padded to a compiled size."""
        states = self.states
        size = next((s for s in _UNROLLED if states <= s), states)

        def padded(array: np.ndarray, *axes: int) -> np.ndarray:
            widths = [(0, size - states if axis in axes else 0) for axis in range(array.ndim)]
            return np.pad(array, widths)

        system = System(
            (0.0,) * size if size in _UNROLLED else np.zeros(size),
            padded(self.transition, 0, 1),
            padded(self.transition_offset, 0),
            padded(covariance_root(self.transition_covariance), 0, 1),
            padded(self.observation, 1),
            self.observation_offset,
            self.observation_covariance,
        )
        # P = A A' of the states backwards is R' R of A' = Q R, with R upper triangular.
        backwards = covariance_root(self.start_covariance)[::-1]
        root = np.asarray(np.linalg.qr(backwards.T, mode="r"))[::-1, ::-1]
        return system, padded(self.start_mean, 0), padded(root, 0, 1)


def covariance_root(
    covariance: Float64[np.ndarray, "*batch size size"],
) -> Float64[np.ndarray, "*batch size size"]:
    """Return A with ``A A'`` a covariance, which may be singular.

    Eigenvalues of the correlations that are zero but for rounding are left out: their square roots
    would be a noise of 1e-8 where there is none.
    """
    scale = np.sqrt(np.diagonal(covariance, axis1=-2, axis2=-1).clip(0))[..., None]
    divisor = np.where(scale > 0, scale, 1.0)
    values, vectors = np.linalg.eigh(covariance / divisor / divisor.swapaxes(-1, -2))
    least = 4 * values.shape[-1] * np.finfo(float).eps
    root: np.ndarray = scale * vectors * np.sqrt(np.where(values > least, values, 0))[..., None, :]
    return root


def _finite(name: str, value: object, shape: tuple[int, ...] | None) -> np.ndarray:
    try:
        array = np.array(value, np.float64, order="C")
    except (TypeError, ValueError):
        raise GraphError(f"{name} is an array of numbers, not {value!r:.60}") from None
    if not array.ndim:  # a number stands for an array of one cell
        array = array.reshape(shape if shape == (1,) else (1, 1))
    if array.shape != shape if shape else array.ndim != 2 or 0 in array.shape:
        wanted = shape or "(rows, columns)"
        raise GraphError(f"{name} is to have the shape {wanted}, not {array.shape}")
    if not np.isfinite(array).all():
        raise GraphError(f"{name} holds a number that is not finite")
    return array


def _covariance(name: str, array: np.ndarray) -> np.ndarray:
    size = np.abs(array).max()
    if np.abs(array - array.T).max() > 1e-8 * size:
        raise GraphError(f"{name} is not symmetric")
    array = (array + array.T) / 2
    least = np.linalg.eigvalsh(array)[0]
    if least < -1e-10 * size:
        raise GraphError(f"{name} is no covariance: it has the eigenvalue {least:.3g}")
    return array
