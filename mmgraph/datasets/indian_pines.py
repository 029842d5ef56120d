"""Indian Pines: a hyperspectral image with land-cover labels."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmgraph.datasets.entries import read_member

CLASSES = (
    "unlabelled",
    "alfalfa",
    "corn, no till",
    "corn, minimum till",
    "corn",
    "grass, pasture",
    "grass, trees",
    "grass, mowed pasture",
    "hay, windrowed",
    "oats",
    "soybean, no till",
    "soybean, minimum till",
    "soybean, clean till",
    "wheat",
    "woods",
    "buildings, grass, trees, drives",
    "stone and steel towers",
)


def _sensors() -> dict[str, slice]:
    return {"visible_near_infrared": slice(0, 60), "shortwave_infrared": slice(60, 200)}


@dataclass(frozen=True, eq=False)
class IndianPines:
    """The Indian Pines scene.

    Attributes
    ----------
    cube : array of uint16, shape (145, 145, 200)
        Radiance by row, column and band.
    labels : array of uint8, shape (145, 145)
        Index into :attr:`classes`; 0 where nothing is known.
    classes : tuple of str
        ``"unlabelled"`` and the 16 land covers.
    sensors : dict of str to slice
        Bands of the two sensors that the spectrum may be split into.
    """

    cube: NDArray[np.uint16]
    labels: NDArray[np.uint8]
    classes: tuple[str, ...] = CLASSES
    sensors: dict[str, slice] = field(default_factory=_sensors)


def load() -> IndianPines:
    """Load the Indian Pines scene."""
    return IndianPines(_array("Indian_pines_corrected.npy"), _array("Indian_pines_gt.npy"))


def _array(member: str) -> NDArray[Any]:
    array: NDArray[Any] = np.load(
        io.BytesIO(read_member("indian_pines", member)), allow_pickle=False
    )
    return array
