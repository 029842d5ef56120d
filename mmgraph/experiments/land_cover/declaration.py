"""The declaration of a land-cover job: sensors, training pixels, splits, and what is tried."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import combinations

from mmgraph.experiments.reader import Names, Reader, ReadyModel, entry

_POSITIVE = (1e-12, 1e12)


@dataclass(frozen=True)
class SplitDeclaration:
    """How training and test pixels are told apart, and what the split is called in the report.

    They are random pixels of each class, or those of every second square of a checkerboard, whose
    side is ``block``; pixels within the ``margin`` around a training square are neither trained on
    nor tested.
    """

    name: str
    kind: str = entry("random", among=("random", "blocks"))
    block: int = entry(16, within=(2, 10**6))
    margin: int = 0


@dataclass(frozen=True)
class TrainingDeclaration:
    """Which pixels are trained on, and how often it is done.

    They are a ``share`` of the labelled pixels of each class, and at ``least`` so many of each.
    Settings are chosen on ``folds`` of them; each of the ``seeds`` is a repetition.
    """

    share: float = entry(within=(1e-9, 1))
    least: int = entry(within=(1, 10**6))
    folds: int = entry(within=(2, 100))
    seeds: tuple[int, ...] = entry()


@dataclass(frozen=True)
class UnaryDeclaration:
    """The settings of the classifiers to choose from.

    Spectra are averaged over squares whose sides are ``windows``; 1 is the pixel itself. The
    ``precisions`` are those of the Gaussian kernel, for features of unit variance, divided by their
    number; ``ridges`` are added to the diagonal of the kernel matrix.
    """

    windows: tuple[int, ...]
    precisions: tuple[float, ...] = entry(within=_POSITIVE)
    ridges: tuple[float, ...] = entry(within=_POSITIVE)


@dataclass(frozen=True)
class FieldDeclaration:
    """The settings of the Markov random field to choose from, and how they are compared.

    Attributes
    ----------
    powers, weights : tuple of float
        Of the unary probabilities; of the Potts energy between neighbours in even places.
    contrasts : tuple of float
        The share of the weight that the strongest edges of the image take away, 0 to 1.
    name : str
        The method, as it is reported.
    edge_window, neighbours : int
        Side of the squares whose mean spectra are compared; 4 or 8.
    held_out : int
        How many folds of the training pixels are held out, one after the other, to choose from.
    iterations, tolerance
        Of belief propagation while settings are compared, the first at most.
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
    """A cloud that hides one sensor in a share of the image, in one piece."""

    share: float = entry(1 / 3, within=(0, 1))


@dataclass(frozen=True, kw_only=True)
class LandCoverDeclaration(ReadyModel):
    """A ready model of the kind ``land_cover``; most attributes are the tables of these names.

    ``sensors`` has the data set's name for each sensor that is reported, ``given`` the sensors of
    each situation.
    """

    training: TrainingDeclaration
    splits: tuple[SplitDeclaration, ...] = entry(key="split")
    unary: UnaryDeclaration
    field: FieldDeclaration
    cloud: CloudDeclaration
    sensors: dict[str, str]
    given: Names = entry(table="report")

    @property
    def groups(self) -> Names:
        """The sets of sensors that have a classifier of their own."""
        names = tuple(self.sensors)
        wanted = [g for n in range(1, len(names) + 1) for g in combinations(names, n)]
        return tuple(g for g in wanted if any(set(g) <= set(given) for given in self.given))


def read_land_cover(name: str | os.PathLike[str]) -> LandCoverDeclaration:
    """Read the declaration of a land-cover job."""
    reader = Reader(name)
    tables = "data sensors training split unary field cloud report"
    reader.only("kind", "title", *tables.split())
    declaration = reader.declaration(LandCoverDeclaration)
    reader.known(declaration.given, tuple(declaration.sensors), "[report] given")
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
