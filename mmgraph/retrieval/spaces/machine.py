"""A joint model of pictures and texts: a Boltzmann machine, in whose joint layer they meet."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float32, Int64

from mmgraph.graph.errors import FormatError
from mmgraph.graph.variable import Variable
from mmgraph.networks.boltzmann.layers import Pathway
from mmgraph.networks.boltzmann.multimodal import MultimodalDeepBoltzmannMachine
from mmgraph.predictors.stored.parts import Parts
from mmgraph.predictors.stored.tempered import graph_parts, restored_graph_of
from mmgraph.retrieval.spaces.canonical import CanonicalSpace, FittedCanonicalSpace
from mmgraph.retrieval.spaces.row_map import RowMap
from mmgraph.retrieval.spaces.space import FittedSpace, Pairs, Pictures, Places, Space, places_of

Variates = Float32[np.ndarray, "rows variates"]
_PICTURE, _JOINT = "picture", "joint"
_BATCH_ROWS, _BLOCK_ROWS = 100, 4096
_LEAST_SPREAD = 0.01


@dataclass(frozen=True)
class MachineSpace(Space):
    """What a multimodal Boltzmann machine expects of both, given a picture or a text alone.

    Pathways of one machine (Srivastava and Salakhutdinov 2014, "Multimodal learning with deep
    Boltzmann machines") are pictures and the texts of each language: Gaussian units that stand for
    their canonical variates, below a joint layer of Bernoulli units. It learns by multi-prediction:
    given one of them it predicts the others. The place of a picture is its variates and the mean of
    the texts' given those, side by side, each of length one, and that of a text likewise: so texts
    are compared with the text that is expected of a picture, and pictures with the picture that is
    expected of a text.

    Attributes
    ----------
    variates : int
        How many canonical variates each side has at most.
    picture_ridge, text_ridge, steepness : float
        Of the variates, see :class:`CanonicalSpace`; by default with a kernel of pictures.
    joint : int
        The units of the joint layer.
    epochs, steps : int
        How often training passes over the pairs, and the steps that it makes at least.
    dropout : float
        The share of the joint layer's units that are silent in a row while it learns.
    """

    name: ClassVar[str] = "joint"
    variates: int = 300
    picture_ridge: float = 1.0
    text_ridge: float = 1.0
    steepness: float = 1.0
    joint: int = 512
    epochs: int = 30
    steps: int = 600
    dropout: float = 0.2

    def fit(self, pairs: Pairs) -> FittedMachineSpace:
        """As :meth:`Space.fit`."""
        ridges = self.picture_ridge, self.text_ridge
        canonical = CanonicalSpace(self.variates, *ridges, self.steepness).fit(pairs)
        rows = _variates(canonical, pairs)
        # Variates that hardly correlate hardly vary, and the machine would be all but certain.
        spreads = [np.nanstd(table, axis=0) for table in rows.values()]
        varies = np.min([spread / spread.max() for spread in spreads], axis=0) > _LEAST_SPREAD
        canonical = _of_variates(canonical, np.flatnonzero(varies))
        rows = _variates(canonical, pairs)
        paths = [
            Pathway(Variable(name, shape=(table.shape[1],), family="gaussian"))
            for name, table in rows.items()
        ]
        given = [{"given": [name], "share": 1 / len(rows)} for name in rows]
        batches = math.ceil(len(pairs.pictures) / _BATCH_ROWS)
        machine = MultimodalDeepBoltzmannMachine(paths, self.joint).fit(
            rows,
            objective="multi_prediction",
            prediction={
                "sweeps": 2,
                "hiding": {"situations": given, "partly": 0.0, "together": True},
                "dropout": {_JOINT: self.dropout},
            },
            epochs=max(self.epochs, math.ceil(self.steps / batches)),
            batch_size=_BATCH_ROWS,
            averaging=0.99,
            weight_decay=0.3,
            standardise=False,  # variates that correlate the most vary the most, and count so
            seed=pairs.seed,
        )
        return FittedMachineSpace(canonical, machine)


@dataclass(frozen=True, eq=False)
class FittedMachineSpace(FittedSpace):
    """A machine over canonical variates.

    Attributes
    ----------
    canonical : FittedCanonicalSpace
        The maps to variates.
    machine : MultimodalDeepBoltzmannMachine
        Its pathways are ``picture`` and ``text0``, ``text1``, … of each language.
    """

    name: ClassVar[str] = MachineSpace.name
    canonical: FittedCanonicalSpace
    machine: MultimodalDeepBoltzmannMachine

    @property
    def width(self) -> int:
        """As :attr:`FittedSpace.width`."""
        return sum(variable.size for variable in self.machine.visible)

    def pictures(self, features: Pictures) -> Places:
        """As :meth:`FittedSpace.pictures`."""
        return self._places({_PICTURE: self.canonical.picture_map(features)})

    def texts(self, features: Sequence[sp.csr_array]) -> Places:
        """As :meth:`FittedSpace.texts`."""
        rows = text_variates(self.canonical, features)
        known = np.flatnonzero(np.any([~np.isnan(table).all(1) for table in rows.values()], axis=0))
        places = np.zeros((features[0].shape[0], self.width), np.float32)
        places[known] = self._places({name: table[known] for name, table in rows.items()})
        return places

    def _places(self, rows: Mapping[str, Variates]) -> Places:
        """Means of all pathways given some of them, each scaled to length one."""
        names = [variable.name for variable in self.machine.visible]
        count = len(next(iter(rows.values())))
        places = np.zeros((count, self.width), np.float32)
        for first in range(0, count, _BLOCK_ROWS):
            block = slice(first, first + _BLOCK_ROWS)
            given = {name: table[block] for name, table in rows.items()}
            means = self.machine.impute(given, names).means
            sides = [places_of(means[name].numpy()) for name in names]
            places[block] = places_of(np.concatenate(sides, axis=1))
        return places

    def parts(self) -> Parts:
        """As :meth:`FittedSpace.parts`."""
        parts = Parts()
        parts.put("canonical", self.canonical.parts())
        parts.put("machine", graph_parts(self.machine))
        return parts

    @classmethod
    def restored(cls, parts: Parts) -> Self:
        """As :meth:`FittedSpace.restored`."""
        canonical = FittedCanonicalSpace.restored(parts.part("canonical"))
        machine = restored_graph_of(parts.part("machine"), MultimodalDeepBoltzmannMachine)
        names = [_PICTURE, *(f"text{number}" for number in range(len(canonical.text_maps)))]
        pathways = [(variable.name, variable.shape) for variable in machine.visible]
        if pathways != [(name, (canonical.width,)) for name in names]:
            raise FormatError(f"{parts.where}: the machine is not one of these variates")
        return cls(canonical, machine)


def _of_variates(
    canonical: FittedCanonicalSpace, kept: Int64[np.ndarray, " kept"]
) -> FittedCanonicalSpace:
    """The maps to some of the variates."""

    def narrower(side: RowMap) -> RowMap:
        weights = np.ascontiguousarray(side.weights[:, kept])
        return replace(side, weights=weights, offset=side.offset[kept])

    text_maps = tuple(map(narrower, canonical.text_maps))
    return FittedCanonicalSpace(narrower(canonical.picture_map), text_maps)


def _variates(canonical: FittedCanonicalSpace, pairs: Pairs) -> dict[str, Variates]:
    """The variates of pairs, by the name of each pathway."""
    pictures = canonical.picture_map(pairs.pictures)
    return {_PICTURE: pictures, **text_variates(canonical, pairs.texts)}


def text_variates(
    canonical: FittedCanonicalSpace, texts: Sequence[sp.csr_array]
) -> dict[str, Variates]:
    """Return the variates of texts by the name of each language's pathway; NaN without a text."""
    sides = enumerate(zip(canonical.text_maps, texts, strict=True))
    return {f"text{number}": side.of_texts(rows) for number, (side, rows) in sides}
