"""The declaration of a land-cover job: sensors, training pixels, splits, and what is tried."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import combinations

from mmgraph.experiments.reader import Reader, ReadyModel, entry

_POSITIVE = (1e-12, 1e12)


@dataclass(frozen=True)
class SplitDeclaration:
    """How training and test pixels are told apart.

    Attributes
    ----------
    name : str
        As it is reported.
    kind : {"random", "blocks"}
        Random pixels of each class, or those of every second square of a checkerboard only.
    block : int
        The side of a square.
    margin : int
        Pixels so close to a training square are neither trained on nor tested.
    """

    name: str
    kind: str = entry("random", among=("random", "blocks"))
    block: int = entry(16, within=(2, 10**6))
    margin: int = 0


@dataclass(frozen=True)
class TrainingDeclaration:
    """Which pixels are trained on, and how often it is done.

    Attributes
    ----------
    share : float
        Of the labelled pixels of each class.
    least : int
        Of each class, even where the share is smaller.
    folds : int
        Of the training pixels, for choosing settings.
    seeds : tuple of int
        One repetition each.
    """

    share: float = entry(within=(1e-9, 1))
    least: int = entry(within=(1, 10**6))
    folds: int = entry(within=(2, 100))
    seeds: tuple[int, ...] = entry()


@dataclass(frozen=True)
class UnaryDeclaration:
    """The settings of the classifiers to choose from.

    Attributes
    ----------
    windows : tuple of int
        Sides of the squares over which spectra are averaged; 1 is the pixel itself.
    precisions : tuple of float
        Of the Gaussian kernel, for features of unit variance, divided by their number.
    ridges : tuple of float
        Added to the diagonal of the kernel matrix.
    """

    windows: tuple[int, ...]
    precisions: tuple[float, ...] = entry(within=_POSITIVE)
    ridges: tuple[float, ...] = entry(within=_POSITIVE)


@dataclass(frozen=True)
class FieldDeclaration:
    """The settings of the Markov random field to choose from, and how they are compared.

    Attributes
    ----------
    powers : tuple of float
        Of the unary probabilities.
    weights : tuple of float
        Of the Potts energy between neighbours in even places.
    contrasts : tuple of float
        The share of the weight that the strongest edges of the image take away, 0 to 1.
    name : str
        The method, as it is reported.
    edge_window : int
        Side of the squares whose mean spectra are compared.
    neighbours : int
        4 or 8.
    held_out : int
        How many folds of the training pixels are held out, one after the other, to choose from.
    iterations : int
        Of belief propagation, at most, while settings are compared.
    tolerance : float
        Of belief propagation, while settings are compared.
    """

    powers: tuple[float, ...] = entry(within=(0, 1e6))
    weights: tuple[float, ...] = entry(within=(0, 1e6))
    contrasts: tuple[float, ...] = entry(within=(0, 1))
    name: str = "mrf"
    edge_window: int = 3
    neighbours: int = 4
    held_out: int = 1
    iterations: int = entry(30, within=(1, 10**6))
    tolerance: float = 1e-3


@dataclass(frozen=True)
class CloudDeclaration:
    """A cloud that hides one sensor.

    Attributes
    ----------
    share : float
        Of the image, in one piece.
    """

    share: float = entry(1 / 3, within=(0, 1))


@dataclass(frozen=True)
class LandCoverDeclaration(ReadyModel):
    """A ready model of the kind ``land_cover``.

    Attributes
    ----------
    training, unary, field, cloud
        The tables of these names.
    splits : tuple of SplitDeclaration
        The tables ``[[split]]``.
    sensors : dict of str to str
        The data set's name for each sensor that is reported.
    given : tuple of tuple of str
        The sensors of each situation to report.
    """

    training: TrainingDeclaration
    splits: tuple[SplitDeclaration, ...]
    unary: UnaryDeclaration
    field: FieldDeclaration
    cloud: CloudDeclaration
    sensors: dict[str, str]
    given: tuple[tuple[str, ...], ...]

    @property
    def groups(self) -> tuple[tuple[str, ...], ...]:
        """The sets of sensors that have a classifier of their own."""
        names = tuple(self.sensors)
        wanted = [g for n in range(1, len(names) + 1) for g in combinations(names, n)]
        return tuple(g for g in wanted if any(set(g) <= set(given) for given in self.given))


def read_land_cover(name: str | os.PathLike[str]) -> LandCoverDeclaration:
    """Read the declaration of a land-cover job."""
    reader = Reader(name)
    tables = "data sensors training split unary field cloud report"
    reader.only("kind", "title", *tables.split())
    sensors = dict(reader.table("sensors"))
    for key in sensors:
        reader.value(sensors, key, str, "[sensors]")
    declaration = reader.declaration(
        LandCoverDeclaration,
        sensors=sensors,
        splits=reader.records(SplitDeclaration, "split", "name"),
        given=reader.lists_of_names(
            reader.table("report").get("given"), tuple(sensors), "[report] given"
        ),
    )
    _check(reader, declaration)
    return declaration


def _check(reader: Reader, declaration: LandCoverDeclaration) -> None:
    """Raise FormatError where one number does not fit another, or a side is not odd."""
    training, unary, field = declaration.training, declaration.unary, declaration.field
    for split in declaration.splits:
        reader.within(split.margin, 0, (split.block - 1) // 2, f"[[split]] {split.name} 'margin'")
    for window in (*unary.windows, field.edge_window):
        if window < 1 or window % 2 == 0:
            raise reader.error(f"a window's side must be odd, not {window}")
    if 1 not in unary.windows:
        raise reader.error("[unary] 'windows' must hold 1: the pixelwise classifier needs it")
    if field.neighbours not in (4, 8):
        raise reader.error(f"[field] 'neighbours' must be 4 or 8, not {field.neighbours}")
    reader.within(field.held_out, 1, training.folds, "[field] 'held_out'")
