"""Spaces tied by nets: the codes of pictures and texts that belong together are made alike."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import scipy.sparse as sp

from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.deep.representations.representation import MultimodalRepresentation, Tie
from mmgraph.graph.errors import FormatError
from mmgraph.predictors.stored.deep.representations import (
    representation_parts,
    restored_representation,
)
from mmgraph.predictors.stored.parts import Parts
from mmgraph.retrieval.spaces.row_map import RowMap
from mmgraph.retrieval.spaces.sides import Sides
from mmgraph.retrieval.spaces.space import (
    FittedSpace,
    Pairs,
    Pictures,
    Places,
    Space,
    has_terms,
    places_of,
)

_PICTURES = "pictures"
_TRAINING = {"batch_size": 256, "learning_rate": 1e-3, "decay": 0.3, "noise": 0.0}
_EPOCHS, _STEPS = 20, 160
"""As often are all pairs gone over, and more often where that would be fewer steps."""


@dataclass(frozen=True)
class NetSpace(Space):
    """A perceptron for pictures and one for the texts of each language, of principal coordinates.

    Attributes
    ----------
    tie : {"contrastive", "cosine", "deep_cca"}
        What makes codes alike, see
        :class:`~mmgraph.deep.representations.representation.MultimodalRepresentation`:
        ``contrastive`` is InfoNCE both ways with a learned temperature (Radford et al. 2021,
        "CLIP", section 2.3), ``deep_cca`` that of Andrew et al. (2013).
    width : int
        How many numbers a place has: not more than a quarter of the pairs.
    coordinates : int
        How many principal coordinates of each side the nets look at.
    hidden : int
        The width of their hidden layer.
    dropout : float
        The share of hidden units that are left out in a step.
    losses : sequence of str
        What is added to the loss: names of :data:`~mmgraph.deep.losses.named.LOSSES`, such as
        ``"reconstruction"`` within each modality.
    """

    tie: Tie = "contrastive"
    width: int = 256
    coordinates: int = 1000
    hidden: int = 1024
    dropout: float = 0.5
    losses: tuple[str, ...] = ()

    @property
    def name(self) -> str:  # type: ignore[override]
        """The name among the spaces: the tie."""
        return self.tie

    def fit(self, pairs: Pairs) -> FittedNetSpace:
        """As :meth:`Space.fit`."""
        sides, (pictures, *texts) = Sides.fitted(pairs)
        first = slice(self.coordinates)
        sides = sides.then(*(np.eye(table.shape[1])[:, first] for table in (pictures, *texts)))
        spoken = [
            np.where(has_terms(block)[:, None], table[:, first], np.nan)
            for block, table in zip(pairs.texts, texts, strict=True)
        ]
        rows = MultimodalData.of({_PICTURES: _image(pictures[:, first]), **_named(spoken)})
        encoder: tuple[str, dict[str, Any]] = (
            "mlp",
            {"frequencies": 0, "hidden": (self.hidden,), "dropout": self.dropout},
        )
        epochs = max(_EPOCHS, _STEPS // math.ceil(len(rows) / _TRAINING["batch_size"]))
        representation = MultimodalRepresentation(
            tie=self.tie,
            encoders=dict.fromkeys(rows.modalities, encoder),
            losses=self.losses,
            width=max(2, min(self.width, len(rows) // 4)),
            training={**_TRAINING, "epochs": epochs},
            random_state=pairs.seed,
        ).fit(rows)
        return FittedNetSpace(*sides, representation)


@dataclass(frozen=True, eq=False)
class FittedNetSpace(FittedSpace):
    """Nets of principal coordinates.

    Attributes
    ----------
    picture_map : RowMap
    text_maps : tuple of RowMap
    representation : MultimodalRepresentation
        Of the coordinates of pictures and of each language's texts.
    """

    name: ClassVar[str] = "nets"
    picture_map: RowMap
    text_maps: tuple[RowMap, ...]
    representation: MultimodalRepresentation

    @property
    def contributions(self) -> Mapping[str, float]:
        """What each of several losses added to their sum when trained; not stored in files."""
        net = self.representation.net_
        return {} if net is None else net.contributions

    @property
    def width(self) -> int:
        """As :attr:`FittedSpace.width`."""
        return self.representation.width

    def pictures(self, features: Pictures) -> Places:
        """As :meth:`FittedSpace.pictures`."""
        rows = MultimodalData.of({_PICTURES: _image(self.picture_map(features))})
        return places_of(self.representation.represent(rows, (_PICTURES,)))

    def texts(self, features: Sequence[sp.csr_array]) -> Places:
        """As :meth:`FittedSpace.texts`."""
        sides = zip(self.text_maps, features, strict=True)
        named = _named([side.of_texts(rows) for side, rows in sides])
        return places_of(self.representation.represent(MultimodalData.of(named), tuple(named)))

    def parts(self) -> Parts:
        """As :meth:`FittedSpace.parts`."""
        parts = Sides(self.picture_map, self.text_maps).parts()
        parts.put("representation", representation_parts(self.representation))
        return parts

    @classmethod
    def restored(cls, parts: Parts) -> Self:
        """As :meth:`FittedSpace.restored`."""
        pictures, texts = Sides.restored(parts)
        representation = restored_representation(parts.part("representation"))
        names = [_PICTURES, *map(_text_name, range(len(texts)))]
        shapes = {name: made.shape for name, made in representation.inputs_.items()}
        widths = [len(side.offset) for side in (pictures, *texts)]
        if list(shapes.items()) != [(n, (w, 1)) for n, w in zip(names, widths, strict=True)]:
            raise FormatError(f"{parts.where}: the nets do not fit the coordinates of both sides")
        return cls(pictures, texts, representation)


def _named(texts: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """The coordinates of the texts of each language, as a modality each."""
    return {_text_name(number): _image(table) for number, table in enumerate(texts)}


def _text_name(number: int) -> str:
    return f"texts {number}"


def _image(coordinates: np.ndarray) -> np.ndarray:
    """Coordinates as arrays, which nets see on one scale for all: the first ones vary most."""
    return np.asarray(coordinates, np.float32)[:, :, None]
