"""Pictures described by several kinds of features, side by side."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import numpy as np
from jaxtyping import Float32

from mmgraph.graph.errors import LearningError
from mmgraph.retrieval.images.features import ImageFeatures
from mmgraph.retrieval.images.named import image_features

if TYPE_CHECKING:
    from mmgraph.retrieval.images.reading import Picture

    Images: TypeAlias = Sequence[Picture | None] | Float32[np.ndarray, "rows features"]


Progress: TypeAlias = Callable[[int, int], object]
"""Told how many pictures of how many are done."""


@dataclass(frozen=True)
class PictureFeatures:
    """Kinds of features of pictures, which count alike.

    Attributes
    ----------
    kinds : tuple of ImageFeatures
    """

    kinds: tuple[ImageFeatures, ...]

    @classmethod
    def named(cls, names: str | Sequence[str]) -> Self:
        """Return the features of one name or several.

        Raises
        ------
        LearningError
            If there are none of a name (with the nearest), or no name.
        """
        names = (names,) if isinstance(names, str) else tuple(names)
        if not names:
            raise LearningError("pictures are described by no features: name some")
        return cls(tuple(map(image_features, names)))

    @property
    def widths(self) -> tuple[int, ...]:
        """How many features each part has that counts alike."""
        return tuple(width for kind in self.kinds for width in kind.widths)

    def features(
        self,
        images: Images,
        progress: Progress | None = None,
    ) -> Float32[np.ndarray, "rows features"]:
        """Return the features of pictures, or those that are given; NaN where a row has none.

        Raises
        ------
        FormatError
            If a picture cannot be read (which).
        LearningError
            If features that are given are too many or few, or not finite (which row).
        """
        given = listed(images)
        if isinstance(given, list):
            blocks = [kind.features(given, progress=progress) for kind in self.kinds]
            return np.concatenate(blocks, axis=1)
        if given.shape[1] != sum(self.widths):
            raise LearningError(
                f"pictures have {sum(self.widths)} features here, not {given.shape[1]}"
            )
        missing = np.isnan(given).all(1)
        wrong = ~np.isfinite(given).all(1) & ~missing
        if wrong.any():
            raise LearningError(f"of row {int(wrong.argmax())} some features are not finite")
        return np.asarray(given, np.float32)

    def only(self, image: Picture) -> Images:
        """Return one picture, or the one row of its features, as images."""
        is_row = isinstance(image, np.ndarray) and image.shape == (1, sum(self.widths))
        return image if is_row else [image]  # type: ignore[return-value]


def listed(images: Images) -> list[Any] | Float32[np.ndarray, "rows features"]:
    """Return pictures as a list in their order, whatever labels they have; features as they are.

    Raises
    ------
    LearningError
        If it is one picture, and no sequence of them.
    """
    if isinstance(images, str | bytes | os.PathLike):
        raise LearningError(f"images are a sequence with one an item, not one: {images!r:.60}")
    if isinstance(images, np.ndarray) and images.ndim == 2:
        return images
    return list(images)
