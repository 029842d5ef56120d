"""The declaration of a conditional Gaussian network: graph, experiment, rivals and folds."""

from __future__ import annotations

import os
from dataclasses import dataclass

from mmgraph.experiments.reader import Names, Reader, ReadyModel, entry


@dataclass(frozen=True)
class AffectedColumns:
    """A candidate: the columns that the experiment is a parent of, by default none."""

    name: str
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class DiscretisedDeclaration:
    """The rival with tables: equal bins of the logarithm over a range of the measurements.

    The numbers of ``bins`` and the ``equivalent_sample_sizes`` of the BDeu prior are candidates.
    """

    range: tuple[float, ...] = entry(within=(1e-300, 1e300))
    bins: tuple[int, ...] = entry(within=(2, 1000))
    equivalent_sample_sizes: tuple[float, ...] = entry(within=(1e-9, 1e12))


@dataclass(frozen=True)
class ValidationDeclaration:
    """The folds, and those of training rows that candidates are chosen by."""

    folds: int = entry(5, within=(2, 10**6))
    seed: int = entry(0, within=(0, 2**32 - 1))
    inner_folds: int = entry(3, within=(2, 10**6))


@dataclass(frozen=True, kw_only=True)
class GaussianNetworkDeclaration(ReadyModel):
    """A ready model of the kind ``gaussian_network``.

    ``turned`` are edges of the data set's graph that are taken the other way.
    """

    turned: Names = entry((), table="network")
    affected: tuple[AffectedColumns, ...]
    discretised: DiscretisedDeclaration
    validation: ValidationDeclaration


def read_gaussian_network(name: str | os.PathLike[str]) -> GaussianNetworkDeclaration:
    """Read the declaration of a conditional Gaussian network."""
    reader = Reader(name)
    reader.only("kind", "title", "data", "network", "affected", "discretised", "validation")
    declaration = reader.declaration(GaussianNetworkDeclaration)
    scale = declaration.discretised.range
    if len(scale) != 2 or scale[0] >= scale[1]:
        raise reader.error(f"[discretised] 'range' must be [lowest, highest], not {list(scale)}")
    names = [one.name for one in declaration.affected]
    for name in names:
        if names.count(name) > 1:
            raise reader.error(f"two [[affected]] are called '{name}'")
    for edge in declaration.turned:
        if len(edge) != 2:
            raise reader.error(
                f"[network] 'turned' holds {list(edge)}, which is no pair of columns"
            )
    return declaration
