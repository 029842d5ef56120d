"""The declaration of a classification: its data, leaves, learning and report, read from TOML."""

from __future__ import annotations

import os
from dataclasses import dataclass

from mmgraph.experiments.reader import Names, Reader, entry
from mmgraph.experiments.rows import RowsModel


@dataclass(frozen=True)
class LeafDeclaration:
    """One leaf of the target: its variable, the modality that it sees, and how it is fitted.

    A Gaussian mixture is a density of the features, which ``transform`` changes first: for each
    state and restart it has so many ``components``; ``restarts`` are mixed; ``covariance`` is of a
    kind, has a ``shrinkage``, and variances a ``floor``. An encoder gives the scores of a
    classifier, of so many ``trees``.
    """

    name: str
    modality: str
    kind: str = entry(among=("gaussian_mixture", "encoder"))
    transform: str = entry("none", among=("none", "standardise", "normal_quantiles"))
    components: int = 1
    restarts: int = 1
    covariance: str = "full"
    shrinkage: float = 0.3
    floor: float = 1e-3
    encoder: str = entry("extra_trees", among=("extra_trees",))
    trees: int = 200


@dataclass(frozen=True, kw_only=True)
class ClassificationDeclaration(RowsModel):
    """A ready model of the kind ``classification``.

    Models are compared on ``folds``, the likelihood weights learned on ``weight_folds`` of their
    training rows; ``given`` are the situations to report, each the modalities that are there.
    """

    label_column: str = entry(table="data", key="target")
    target: str = entry(table="network")
    leaves: tuple[LeafDeclaration, ...] = entry(key="leaf")
    folds: int = entry(table="learning")
    weight_folds: int = entry(table="learning")
    seed: int = entry(table="learning")
    given: Names = entry(table="report")

    @property
    def modalities(self) -> tuple[str, ...]:
        """The modalities of the leaves, in order."""
        return tuple(dict.fromkeys(leaf.modality for leaf in self.leaves))


def read_classification(name: str | os.PathLike[str]) -> ClassificationDeclaration:
    """Read the declaration of a classification."""
    reader = Reader(name)
    declaration = reader.declaration(ClassificationDeclaration)
    reader.known(declaration.given, declaration.modalities, "[report] given")
    return declaration
