"""The two sides of a space: the maps of pictures, and of each language's texts."""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
from jaxtyping import Float64

from mmgraph.graph.errors import LearningError
from mmgraph.predictors.stored.parts import Parts
from mmgraph.retrieval.spaces.row_map import RowMap
from mmgraph.retrieval.spaces.space import Pairs, check_pairs


class Sides(NamedTuple):
    """Maps of pictures and texts.

    Attributes
    ----------
    pictures : RowMap
    texts : tuple of RowMap
        Of each language.
    """

    pictures: RowMap
    texts: tuple[RowMap, ...]

    @classmethod
    def fitted(
        cls, pairs: Pairs, steepness: float = 0.0
    ) -> tuple[Self, list[Float64[np.ndarray, "rows coordinates"]]]:
        """Return the maps of pairs to principal coordinates, and those, pictures' first.

        Raises
        ------
        LearningError
            If there are too few pairs, or all pictures or all texts of a language are alike.
        """
        check_pairs(pairs)
        fitted = [RowMap.fitted(pairs.pictures, pairs.widths, steepness, pairs.seed)]
        fitted += [RowMap.fitted(texts, (), 0.0, pairs.seed) for texts in pairs.texts]
        for number, (_, coordinates) in enumerate(fitted):
            if not coordinates.any():
                what = "text" if number else "picture"
                raise LearningError(f"no {what} differs from another: there is nothing to tie")
        (pictures, *texts), coordinates_of_all = zip(*fitted, strict=True)
        return cls(pictures, tuple(texts)), list(coordinates_of_all)

    def then(self, *matrices: Float64[np.ndarray, "coordinates width"]) -> Self:
        """Return each map followed by a linear one, pictures' first."""
        pictures, *texts = (
            side.then(matrix)
            for side, matrix in zip((self.pictures, *self.texts), matrices, strict=True)
        )
        return type(self)(pictures, tuple(texts))

    def parts(self) -> Parts:
        """Return what a file holds of the maps."""
        parts = Parts()
        parts.put("picture_map", self.pictures.parts())
        parts.put("text_maps", *(side.parts() for side in self.texts), several=True)
        return parts

    @classmethod
    def restored(cls, parts: Parts) -> Self:
        """Return the maps of :meth:`parts`, which takes their numbers out.

        Raises
        ------
        FormatError
            If they are not what they must be.
        """
        pictures = RowMap.restored(parts.part("picture_map"))
        return cls(pictures, tuple(map(RowMap.restored, parts.parts("text_maps"))))
