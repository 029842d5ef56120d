"""Whether test rows lie beside training rows that are nearly copies of them, as in a recording."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

from mmgraph.data.blocks.arrays import Arrays
from mmgraph.data.blocks.columns import Columns
from mmgraph.data.groups import Groups, consecutive_blocks
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.data.splits import Fold

NEAR = 0.05
"""The share of a label's rows that count as near: those that stand closest in the file."""
ALARM = 3.0
"""How many times more often than by chance the most similar training row may be a near one."""
_MOST_ROWS = 2000
_STANDARD_ERRORS = 3.0
_LEAST_BLOCKS = 3
"""With so many, blocks can be left out within the training rows of a fold, too."""


class LeakWarning(UserWarning):
    """Test rows have near copies beside them in the file, or a column of features is the target."""


@dataclass(frozen=True)
class Leak:
    """What a split's test rows have in common with training rows beside them.

    For each test row the most similar training row of the same label is looked up. It is near if it
    is among the 5% of that label's training rows that stand closest in the file. In rows that are
    independent of each other that happens by chance alone.

    Attributes
    ----------
    near, chance : float
        How often the most similar row is near, and how often it would be by chance.
    rows : int
        How many test rows were looked at.
    distance : float
        The median distance in the file, in rows, to the most similar row.
    blocks : Groups
        Blocks of consecutive rows that could be left out instead.
    """

    near: float
    chance: float
    rows: int
    distance: float
    blocks: Groups

    @property
    def ratio(self) -> float:
        """How many times more often than by chance the most similar row is near."""
        return self.near / self.chance

    @property
    def fires(self) -> bool:
        """Whether that is above three times, and more than noise."""
        error = np.sqrt(self.chance * (1 - self.chance) / self.rows)
        return self.ratio > ALARM and self.near - self.chance > _STANDARD_ERRORS * error

    def figures(self) -> dict[str, float]:
        """Return the numbers for a report."""
        return {
            "near": self.near,
            "near_by_chance": self.chance,
            "rows": self.rows,
            "median_distance": self.distance,
        }

    def __str__(self) -> str:
        measured = (
            f"of {self.near:.0%} of {self.rows} test rows the most similar training row of the "
            f"same label is among the nearest {NEAR:.0%} in the file ({self.chance:.0%} by chance; "
            f"median distance {self.distance:.0f} rows)"
        )
        if not self.fires:
            return f"{measured}: no sign that rows resemble their neighbours in the file"
        count = int(self.blocks.codes.max()) + 1
        return (
            "neighbouring rows resemble each other: believe the grouped split, not the random one, "
            "which tells how a model does on recordings that it has partly seen. Name the column "
            "that says what belongs together (role 'group'), or leave out blocks of consecutive "
            f"rows ({count} here). Seen: {measured}"
        )


def find_leak(data: MultimodalData, folds: Iterable[Fold], seed: int = 0) -> Leak | None:
    """Return what test rows have in common with training rows beside them in the file.

    Parameters
    ----------
    data : MultimodalData
        Rows in the order of their file, with a target that has states.
    folds : iterable of (training rows, test rows)
        The split.
    seed : int
        Where there are more than 2,000 test rows, so many are drawn.

    Returns
    -------
    Leak, optional
        None where no modality is of numbers, or labels have too few rows to tell.
    """
    features = _standardised(data)
    if features is None:
        return None
    codes = data.codes
    hits, chances, distances = [], [], []
    generator = np.random.default_rng(seed)
    splits = list(folds)
    most = max(1, _MOST_ROWS // max(len(splits), 1))
    for training, test in splits:
        drawn = test if len(test) <= most else np.sort(generator.choice(test, most, replace=False))
        for state in np.unique(codes[drawn]):
            asked, others = drawn[codes[drawn] == state], training[codes[training] == state]
            if len(others) < 2:
                continue
            similar = others[_nearest(features[asked], features[others])]
            apart = np.abs(asked[:, None] - others)
            count = int(np.ceil(NEAR * len(others)))
            limit = np.partition(apart, count - 1, axis=1)[:, count - 1]
            distance = np.abs(asked - similar)
            hits.append(distance <= limit)
            chances.append((apart <= limit[:, None]).mean(1))
            distances.append(distance)
    if not hits:
        return None
    near = np.concatenate(hits)
    return Leak(
        float(near.mean()),
        float(np.concatenate(chances).mean()),
        len(near),
        float(np.median(np.concatenate(distances))),
        consecutive_blocks(codes, least=_LEAST_BLOCKS),
    )


def _nearest(
    points: Float64[np.ndarray, "points features"], others: Float64[np.ndarray, "others features"]
) -> Int64[np.ndarray, " points"]:
    """The nearest of the others to each point; distances are shifted by what does not matter."""
    return np.asarray(((others**2).sum(1) - 2 * (points @ others.T)).argmin(1))


def _standardised(data: MultimodalData) -> Float64[np.ndarray, "rows features"] | None:
    """All numbers side by side, missing ones at the mean; modalities have the same variance."""
    tables = []
    for block in data.blocks.values():
        if isinstance(block, Columns | Arrays):
            numbers = block.numbers().astype(np.float64)
            varying: Bool[np.ndarray, " features"] = _deviation(numbers) > 0
            numbers = numbers[:, varying]
            if numbers.shape[1]:
                scaled = (numbers - np.nanmean(numbers, axis=0)) / _deviation(numbers)
                tables.append(np.nan_to_num(scaled) / np.sqrt(numbers.shape[1]))
    return np.hstack(tables) if tables else None


def _deviation(numbers: Float64[np.ndarray, "rows features"]) -> Float64[np.ndarray, " features"]:
    there = ~np.isnan(numbers)
    count = np.maximum(there.sum(0), 1)
    filled = np.where(there, numbers, 0.0)
    mean = filled.sum(0) / count
    return np.asarray(np.sqrt((np.where(there, numbers - mean, 0.0) ** 2).sum(0) / count))
