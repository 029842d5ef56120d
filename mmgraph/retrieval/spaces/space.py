"""What a space of pictures and texts is: fitted to pairs, then asked for the place of either."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple, Self, TypeAlias

import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool, Float32, Int64

from mmgraph.graph.errors import LearningError
from mmgraph.predictors.stored.parts import Parts
from mmgraph.retrieval.alignment.scores import directions

Pictures = Float32[np.ndarray, "rows features"]
Places = Float32[np.ndarray, "rows width"]
FEWEST_PAIRS = 10
Side: TypeAlias = Literal["images", "texts"]
SIDES: tuple[Side, ...] = ("images", "texts")


class Pairs(NamedTuple):
    """Pictures and texts that belong together, row by row.

    Attributes
    ----------
    pictures : ndarray of float32, shape (rows, features)
    widths : tuple of int
        How many features each kind of them has, kinds side by side.
    texts : tuple of csr_array of float32, shape (rows, terms)
        Of each language; rows of length one, and zero where it has no text.
    seed : int
        Of what is random.
    """

    pictures: Pictures
    widths: tuple[int, ...]
    texts: tuple[sp.csr_array, ...]
    seed: int

    def rows(self, index: Int64[np.ndarray, " taken"]) -> Pairs:
        """Return some of the pairs."""
        texts = tuple(block[index] for block in self.texts)
        return self._replace(pictures=self.pictures[index], texts=texts)


@dataclass(frozen=True)
class Space(abc.ABC):
    """The settings of a space, which its subclasses have as fields."""

    name: ClassVar[str]

    @abc.abstractmethod
    def fit(self, pairs: Pairs) -> FittedSpace:
        """Return the space of pairs.

        Raises
        ------
        LearningError
            If there are too few pairs, or nothing varies.
        """


class FittedSpace(abc.ABC):
    """Where pictures and texts lie: the product of two places says how well they match."""

    name: ClassVar[str]

    @property
    @abc.abstractmethod
    def width(self) -> int:
        """How many numbers a place has."""

    @abc.abstractmethod
    def pictures(self, features: Pictures) -> Places:
        """Return the places of pictures, which have length one; zero where nothing is known."""

    @abc.abstractmethod
    def texts(self, features: Sequence[sp.csr_array]) -> Places:
        """Return the places of texts, given in each language, as :meth:`pictures`."""

    @abc.abstractmethod
    def parts(self) -> Parts:
        """Return what a file holds of the space."""

    @classmethod
    @abc.abstractmethod
    def restored(cls, parts: Parts) -> Self:
        """Return the space of :meth:`parts`.

        Raises
        ------
        FormatError
            If they are not what they must be.
        """


def check_pairs(pairs: Pairs) -> None:
    """Raise LearningError if there are too few pairs to tie pictures and texts."""
    if len(pairs.pictures) < FEWEST_PAIRS:
        raise LearningError(
            f"{len(pairs.pictures)} pairs of pictures and texts are too few to tie them; there "
            f"must be {FEWEST_PAIRS} or more"
        )


def has_terms(texts: sp.csr_array) -> Bool[np.ndarray, " rows"]:
    """Return which rows have a term."""
    return np.diff(texts.indptr) > 0


def places_of(rows: np.ndarray) -> Places:
    """Return rows scaled to length one, in single precision; zero where they are zero."""
    return np.asarray(directions(rows), np.float32)
