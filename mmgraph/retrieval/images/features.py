"""What describes a picture by numbers, without having been fitted to any."""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeAlias

import numpy as np
from jaxtyping import Float32

Progress: TypeAlias = Callable[[int, int], None]
"""Told how many pictures of how many are done."""


class ImageFeatures(abc.ABC):
    """A kind of features of pictures."""

    name: ClassVar[str]
    widths: ClassVar[tuple[int, ...]]
    """How many numbers each part has; parts count alike, however wide they are."""

    @abc.abstractmethod
    def features(
        self, pictures: Sequence[Any], *, progress: Progress | None = None
    ) -> Float32[np.ndarray, "pictures features"]:
        """Return the features of each picture; NaN where there is None.

        Raises
        ------
        FormatError
            If a picture cannot be read (which).
        """
