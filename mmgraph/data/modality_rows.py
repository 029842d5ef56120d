"""Rows of several modalities with target, groups and weights; any of it may be missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from jaxtyping import Float64, Shaped

from mmgraph.data.blocks.block import Block, Features, Rows
from mmgraph.data.blocks.sequences_and_texts import Texts
from mmgraph.data.groups import Codes, Groups
from mmgraph.data.reading import Outcome, check_weights
from mmgraph.data.schema.schema import Schema
from mmgraph.graph.errors import LearningError, UnknownVariableError, suggestion
from mmgraph.graph.state_labels import MISSING
from mmgraph.graph.variable import Variable


@dataclass(frozen=True, eq=False)
class ModalityRows:
    """Rows of several modalities, which are chosen, split, joined and emptied; see the attributes
    of :class:`~mmgraph.data.multimodal_data.MultimodalData`.
    """

    blocks: Mapping[str, Block]
    outcome: Outcome | None = None
    groups: Groups | None = None
    weights: Float64[np.ndarray, " rows"] | None = None
    times: Float64[np.ndarray, " rows"] | None = None
    origin: str = "the data"
    schema: Schema | None = None
    row_names: Shaped[np.ndarray, " rows"] | None = None

    def __post_init__(self) -> None:
        if not self.blocks:
            raise LearningError(f"there is no modality in {self.origin}: no column is a feature")
        parts: dict[str, Any] = {f"the modality '{m}'": b for m, b in self.blocks.items()}
        for name, part in (parts | self._by_row()).items():
            if len(part) != len(self):
                raise LearningError(
                    f"{name} of {self.origin}: {len(part)} rows, where the modality "
                    f"'{self.modalities[0]}' has {len(self)}"
                )
        if self.weights is not None:
            check_weights(self.weights, lambda row: f"the weight of row {row} of {self.origin}")

    def __len__(self) -> int:
        return len(next(iter(self.blocks.values())))

    def __repr__(self) -> str:
        modalities = ", ".join(
            f"'{m}'" + (" (missing)" if len(self) and block.missing.all() else "")
            for m, block in self.blocks.items()
        )
        target = "" if self.outcome is None else f", target '{self.target.name}'"
        groups = "" if self.groups is None else f", groups '{self.groups.name}'"
        return f"<{type(self).__name__}: {len(self)} rows of {modalities}{target}{groups}>"

    @property
    def modalities(self) -> tuple[str, ...]:
        """The names of the modalities."""
        return tuple(self.blocks)

    @property
    def target(self) -> Variable:
        """The variable that is to be predicted.

        Raises
        ------
        LearningError
            If there is none.
        """
        if self.outcome is None:
            raise LearningError(f"there is no target in {self.origin}")
        return self.outcome.variable

    @property
    def codes(self) -> Codes:
        """The target's states.

        Raises
        ------
        LearningError
            If there is no target, it is continuous, or a row lacks it (which).
        """
        target, outcome = self.target, self.outcome
        assert outcome is not None
        if not target.is_discrete:
            raise LearningError(f"the target '{target.name}' of {self.origin} has no states")
        lacking = outcome.labels == MISSING
        if lacking.any():
            raise LearningError(
                f"row {int(lacking.argmax())} of {self.origin} has no '{target.name}'"
            )
        return outcome.labels

    @property
    def features(self) -> dict[str, Features]:
        """The numbers of each modality, see :meth:`numbers`."""
        return {modality: self.numbers(modality) for modality in self.blocks}

    def numbers(self, modality: str) -> Features:
        """Return the numbers of a modality's rows, NaN where missing.

        Sequences are summed up, see :meth:`Sequences.numbers`.

        Raises
        ------
        UnknownVariableError
            If there is no such modality.
        LearningError
            If it is of texts.
        """
        block = self.block(modality)
        if isinstance(block, Texts):
            raise LearningError(f"the modality '{modality}' is of texts, and no table of numbers")
        return block.numbers()

    def block(self, modality: str) -> Block:
        """Return the rows of one modality.

        Raises
        ------
        UnknownVariableError
            If there is none of that name.
        """
        if modality not in self.blocks:
            hint = suggestion(modality, self.blocks)
            raise UnknownVariableError(f"{self.origin}: there is no modality '{modality}'{hint}")
        return self.blocks[modality]

    @property
    def counts(self) -> Float64[np.ndarray, " rows"]:
        """How much each row counts: its weight, or one."""
        return np.ones(len(self)) if self.weights is None else self.weights

    @property
    def shape(self) -> tuple[int, int]:
        """How many rows and modalities there are, by which scikit-learn splits rows."""
        return len(self), len(self.blocks)

    def __getitem__(self, index: Any) -> Self:
        """Return some of the rows, as :meth:`rows`; ``data[index, ...]`` means the same."""
        if isinstance(index, tuple) and len(index) == 2 and index[1] is Ellipsis:
            index = index[0]
        return self.rows(index)

    def rows(self, index: Rows) -> Self:
        """Return some of the rows, in the order asked for; by a slice or a mask, too.

        Raises
        ------
        LearningError
            If there is no such row, or it is a single number.
        """
        index = index if isinstance(index, slice) else np.asarray(index)
        if not isinstance(index, slice) and not index.size and index.ndim == 1:
            index = index.astype(np.int64)  # of an empty list
        try:
            is_choice = np.arange(len(self))[index].ndim == 1
        except IndexError:
            is_choice = False
        if not is_choice:
            raise LearningError(
                f"rows of {self.origin} are chosen by a slice, a list of numbers from 0 to "
                f"{len(self) - 1} or a mask of {len(self)}, not by {index!r:.60}"
            )
        blocks = {modality: block.take(index) for modality, block in self.blocks.items()}
        return self._with(blocks, {name: a[index] for name, a in self._by_row().items()})

    def _by_row(self) -> dict[str, np.ndarray]:
        """What there is for each row beside the modalities."""
        arrays = {
            "target": None if self.outcome is None else self.outcome.labels,
            "groups": None if self.groups is None else self.groups.codes,
            "weights": self.weights,
            "times": self.times,
            "names": self.row_names,
        }
        return {name: array for name, array in arrays.items() if array is not None}

    def _with(self, blocks: Mapping[str, Block], by_row: Mapping[str, np.ndarray]) -> Self:
        """The same modalities, target and groups for other rows."""
        return replace(
            self,
            blocks=blocks,
            outcome=self.outcome and replace(self.outcome, labels=by_row["target"]),
            groups=self.groups and replace(self.groups, codes=by_row["groups"]),
            weights=by_row.get("weights"),
            times=by_row.get("times"),
            row_names=by_row.get("names"),
        )

    def shuffled(self, seed: int) -> Self:
        """Return all rows in a random order."""
        return self.rows(np.random.default_rng(seed).permutation(len(self)))

    def join(self, *others: Self) -> Self:
        """Return these rows followed by those of other data; groups are told apart by their codes.

        Raises
        ------
        LearningError
            If modalities, columns or targets differ, or only some have groups, weights, times or
            names.
        """
        for other in others:
            if other.modalities != self.modalities:
                raise LearningError(
                    f"data of {', '.join(self.modalities)} cannot be joined with data of "
                    f"{', '.join(other.modalities)}"
                )
            there = self.outcome is not None and other.outcome is not None
            if there and not self.target.describes_same_as(other.target):
                raise LearningError(f"{self.target!r} cannot be joined with {other.target!r}")
        by_row = [data._by_row() for data in (self, *others)]
        for name in {name for arrays in by_row for name in arrays}:
            if any(name not in arrays for arrays in by_row):
                raise LearningError(f"only some of the data to be joined have {name}")
        return self._with(
            {
                m: block.join([other.blocks[m] for other in others])
                for m, block in self.blocks.items()
            },
            {name: np.concatenate([arrays[name] for arrays in by_row]) for name in by_row[0]},
        )

    def without(self, *modalities: str) -> Self:
        """Return the same rows in which some modalities are missing throughout."""
        emptied = {modality: self.block(modality).emptied() for modality in modalities}
        return replace(self, blocks={**self.blocks, **emptied})

    def only(self, *modalities: str) -> Self:
        """Return the same rows in which all other modalities are missing throughout."""
        for modality in modalities:
            self.block(modality)
        return self.without(*(m for m in self.blocks if m not in modalities))

    def without_groups(self) -> Self:
        """Return the same rows, each of which stands for itself."""
        return replace(self, groups=None)

    def arrays(self) -> Iterator[np.ndarray]:
        """Yield all that a result depends on."""
        for block in self.blocks.values():
            yield from block.arrays()
        yield from self._by_row().values()
