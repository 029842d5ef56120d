"""The declaration of a land-cover job: sensors, training pixels, splits, and what is tried."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import combinations

from mmgraph.experiments.reader import Reader

SPLIT_KINDS = ("random", "blocks")


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
    kind: str = "random"
    block: int = 16
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

    share: float
    least: int
    folds: int
    seeds: tuple[int, ...]


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
    precisions: tuple[float, ...]
    ridges: tuple[float, ...]


@dataclass(frozen=True)
class FieldDeclaration:
    """The settings of the Markov random field to choose from, and how it is solved.

    Attributes
    ----------
    name : str
        The method, as it is reported.
    powers : tuple of float
        Of the unary probabilities.
    weights : tuple of float
        Of the Potts energy between neighbours in even places.
    contrasts : tuple of float
        The share of the weight that the strongest edges of the image take away, 0 to 1.
    edge_window : int
        Side of the squares whose mean spectra are compared.
    neighbours : int
        4 or 8.
    held_out : int
        How many folds of the training pixels are held out, one after the other, to choose from.
    iterations : int
        Of belief propagation, at most.
    tolerance : float
        Of belief propagation.
    """

    powers: tuple[float, ...]
    weights: tuple[float, ...]
    contrasts: tuple[float, ...]
    name: str = "mrf"
    edge_window: int = 3
    neighbours: int = 4
    held_out: int = 1
    iterations: int = 30
    tolerance: float = 1e-3


@dataclass(frozen=True)
class CloudDeclaration:
    """A cloud that hides one sensor.

    Attributes
    ----------
    share : float
        Of the image, in one piece.
    """

    share: float = 1 / 3


@dataclass(frozen=True)
class LandCoverDeclaration:
    """A ready model of the kind ``land_cover``.

    Attributes
    ----------
    name, title, dataset : str
        Its file name without ending, what it says of itself, the entry of the catalogue.
    sensors : dict of str to str
        The data set's name for each sensor that is reported.
    training, splits, unary, field, cloud
        See there.
    given : tuple of tuple of str
        The sensors of each situation to report.
    """

    name: str
    title: str
    dataset: str
    sensors: dict[str, str]
    training: TrainingDeclaration
    splits: tuple[SplitDeclaration, ...]
    unary: UnaryDeclaration
    field: FieldDeclaration
    cloud: CloudDeclaration
    given: tuple[tuple[str, ...], ...]

    @property
    def groups(self) -> tuple[tuple[str, ...], ...]:
        """The sets of sensors that have a classifier of their own."""
        names = tuple(self.sensors)
        wanted = [g for n in range(1, len(names) + 1) for g in combinations(names, n)]
        return tuple(g for g in wanted if any(set(g) <= set(given) for given in self.given))


def read_land_cover(name: str | os.PathLike[str]) -> LandCoverDeclaration:
    """Read the declaration of a land-cover job.

    Raises
    ------
    FormatError
        If the file is not TOML, or an entry is missing, unknown or out of range.
    """
    reader = Reader(name)
    reader.only(
        "kind", "title", "data", "sensors", "training", "split", "unary", "field", "cloud", "report"
    )  # fmt: skip
    sensors = dict(reader.table("sensors"))
    for key in sensors:
        reader.value(sensors, key, str, "[sensors]")
    declaration = LandCoverDeclaration(
        name=reader.path.stem,
        title=reader.value(reader.content, "title", str, "the file"),
        dataset=reader.value(reader.table("data"), "dataset", str, "[data]"),
        sensors=sensors,
        training=reader.record(TrainingDeclaration, reader.table("training"), "[training]"),
        splits=tuple(
            reader.record(SplitDeclaration, s, f"[[split]] {s.get('name', '')}".strip())
            for s in reader.list_of_tables("split")
        ),
        unary=reader.record(UnaryDeclaration, reader.table("unary"), "[unary]"),
        field=reader.record(FieldDeclaration, reader.table("field"), "[field]"),
        cloud=reader.record(CloudDeclaration, reader.table("cloud"), "[cloud]"),
        given=reader.lists_of_names(
            reader.table("report").get("given"), tuple(sensors), "[report] given"
        ),
    )
    _check(reader, declaration)
    return declaration


def _check(reader: Reader, declaration: LandCoverDeclaration) -> None:
    """Raise FormatError where a number is out of range."""
    training, unary, field = declaration.training, declaration.unary, declaration.field
    reader.within(training.share, 1e-9, 1, "[training] 'share'")
    reader.within(training.least, 1, 10**6, "[training] 'least'")
    reader.within(training.folds, 2, 100, "[training] 'folds'")
    for split in declaration.splits:
        where = f"[[split]] {split.name}"
        reader.choice(split.kind, SPLIT_KINDS, f"{where} kind")
        reader.within(split.block, 2, 10**6, f"{where} 'block'")
        reader.within(split.margin, 0, (split.block - 1) // 2, f"{where} 'margin'")
    for window in (*unary.windows, field.edge_window):
        if window < 1 or window % 2 == 0:
            raise reader.error(f"a window's side must be odd, not {window}")
    if 1 not in unary.windows:
        raise reader.error("[unary] 'windows' must hold 1: the pixelwise classifier needs it")
    for number in (*unary.precisions, *unary.ridges):
        reader.within(number, 1e-12, 1e12, "[unary] 'precisions' and 'ridges'")
    for number in (*field.powers, *field.weights):
        reader.within(number, 0, 1e6, "[field] 'powers' and 'weights'")
    for number in field.contrasts:
        reader.within(number, 0, 1, "[field] 'contrasts'")
    if field.neighbours not in (4, 8):
        raise reader.error(f"[field] 'neighbours' must be 4 or 8, not {field.neighbours}")
    reader.within(field.held_out, 1, training.folds, "[field] 'held_out'")
    reader.within(field.iterations, 1, 10**6, "[field] 'iterations'")
    reader.within(declaration.cloud.share, 0, 1, "[cloud] 'share'")
