"""The declaration of a classification: its data, leaves, learning and report, read from TOML."""

from __future__ import annotations

import os
from dataclasses import dataclass

from mmgraph.data.multimodal_data import GroupsDeclaration
from mmgraph.experiments.reader import Reader, ReadyModel, entry


@dataclass(frozen=True)
class LeafDeclaration:
    """One leaf of the target: how it is fitted.

    Attributes
    ----------
    name, modality : str
        The leaf's variable, and the modality whose features it sees.
    kind : {"gaussian_mixture", "encoder"}
        A density of the features, or the scores of a classifier.
    transform : {"none", "standardise", "normal_quantiles"}
        Applied to each feature first, fitted on the training rows.
    components, restarts, covariance, shrinkage, floor
        Of a Gaussian mixture: components for each state and restart, how many restarts are mixed,
        the kind of covariance, its shrinkage, the least variance.
    encoder, trees
        Of an encoder: which classifier, of how many trees.
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


@dataclass(frozen=True)
class ClassificationDeclaration(ReadyModel):
    """A ready model of the kind ``classification``.

    Attributes
    ----------
    label_column : str
        The column that holds the target.
    target : str
        The target's variable.
    leaves : tuple of LeafDeclaration
        What hangs from it.
    folds, weight_folds, seed : int
        Outer folds, inner folds on which the likelihood weights are learned, and the seed.
    given : tuple of tuple of str
        The situations to report, each the modalities that are there.
    groups : str or tuple of int, optional
        Rows that belong together, by a column or by the first row of each block: the model is then
        cross-validated over whole groups, too.
    """

    label_column: str
    target: str
    leaves: tuple[LeafDeclaration, ...]
    folds: int
    weight_folds: int
    seed: int
    given: tuple[tuple[str, ...], ...]
    groups: GroupsDeclaration | None = None

    @property
    def modalities(self) -> tuple[str, ...]:
        """The modalities of the leaves, in order."""
        return tuple(dict.fromkeys(leaf.modality for leaf in self.leaves))


def read_classification(name: str | os.PathLike[str]) -> ClassificationDeclaration:
    """Read the declaration of a classification."""
    reader = Reader(name)
    learning = reader.table("learning")
    leaves = reader.records(LeafDeclaration, "leaf", "name")
    modalities = [leaf.modality for leaf in leaves]
    numbers = {
        key: reader.value(learning, key, int, "[learning]")
        for key in ("folds", "weight_folds", "seed")
    }
    return reader.declaration(
        ClassificationDeclaration,
        label_column=reader.value(reader.table("data"), "target", str, "[data]"),
        target=reader.value(reader.table("network"), "target", str, "[network]"),
        leaves=leaves,
        given=reader.lists_of_names(
            reader.table("report").get("given"), modalities, "[report] given"
        ),
        groups=reader.groups(),
        **numbers,
    )
