"""The declaration of a structure job: what experiments bring about, variants, bootstrap, effect."""

from __future__ import annotations

import os
from dataclasses import dataclass

from mmgraph.experiments.reader import Reader, ReadyModel, entry
from mmgraph.learning.structure.problem import SCORES

LEVELS = ("lowest", "highest")
"""What an experiment brings the measurement to that it acts on."""

CUTS_FROM = ("experiments that set nothing", "rows that do not set it", "all rows")
"""The rows that a column's cuts are fitted to."""

_WITH_STATES = tuple(score for score in SCORES if score != "bge")


@dataclass(frozen=True)
class VariantDeclaration:
    """One way from measurements to a graph.

    Attributes
    ----------
    name : str
        As it is reported.
    outliers : float
        Rows with a measurement that is more than so many standard deviations from its mean in
        their experiment are left out; 0 keeps all.
    rows : int
        How many rows of each experiment are drawn; 0 takes all.
    method, bins, initial_bins
        Of :class:`mmgraph.Discretizer`.
    cuts_from : str
        One of ``CUTS_FROM``.
    as_measured : bool
        Whether what an experiment acts on keeps its measured state, instead of the declared level.
    experiments : bool
        Whether the score knows what was set.
    score, strength
        Of :func:`mmgraph.learn_structure`.
    """

    name: str
    outliers: float = entry(3.0, within=(0, 1e6))
    rows: int = entry(0, within=(0, 10**9))
    method: str = entry("hartemink", among=("hartemink", "quantile", "equal_width"))
    bins: int = entry(3, within=(2, 100))
    initial_bins: int = entry(60, within=(2, 1000))
    cuts_from: str = entry(CUTS_FROM[0], among=CUTS_FROM)
    as_measured: bool = False
    experiments: bool = True
    score: str = entry("bdeu", among=_WITH_STATES)
    strength: float = entry(10.0, within=(1e-9, 1e9))


@dataclass(frozen=True)
class BootstrapDeclaration:
    """How often a graph is learned anew, and the shares from which on edges are in the average."""

    replicates: int = entry(100, within=(1, 10**6))
    seed: int = entry(0, within=(0, 2**32 - 1))
    thresholds: tuple[float, ...] = entry((0.85, 0.95), within=(1e-9, 1))


@dataclass(frozen=True)
class EffectDeclaration:
    """An experiment that is left out, and whose outcome is predicted then.

    It is compared with the rows of the ``reference``, on which it acts in addition.
    """

    experiment: str
    reference: str
    outcome: str


@dataclass(frozen=True, kw_only=True)
class StructureDeclaration(ReadyModel):
    """A ready model of the kind ``structure``; the first variant is the model.

    ``levels`` has one of ``LEVELS`` for each experiment that acts on a measurement.
    """

    levels: dict[str, str]
    bootstrap: BootstrapDeclaration
    effect: EffectDeclaration
    variants: tuple[VariantDeclaration, ...] = entry(key="variant")


def read_structure(name: str | os.PathLike[str]) -> StructureDeclaration:
    """Read the declaration of a structure job."""
    reader = Reader(name)
    reader.only("kind", "title", "data", "levels", "bootstrap", "effect", "variant")
    declaration = reader.declaration(StructureDeclaration)
    for experiment, level in declaration.levels.items():
        reader.checked(level, str, "[levels]", experiment, among=LEVELS)
    names = [variant.name for variant in declaration.variants]
    for variant in declaration.variants:
        if names.count(variant.name) > 1:
            raise reader.error(f"two [[variant]] are called '{variant.name}'")
        if variant.bins > variant.initial_bins:
            raise reader.error(f"[[variant]] {variant.name} has more 'bins' than 'initial_bins'")
    return declaration
