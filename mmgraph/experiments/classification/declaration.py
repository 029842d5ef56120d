"""The declaration of a classification: its data, leaves, learning and report, read from TOML."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mmgraph.data.multimodal_data import GroupsDeclaration
from mmgraph.experiments.reader import Reader

LEAF_KINDS = ("gaussian_mixture", "encoder")
TRANSFORMS = ("none", "standardise", "normal_quantiles")
ENCODERS = ("extra_trees",)


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
    kind: str
    transform: str = "none"
    components: int = 1
    restarts: int = 1
    covariance: str = "full"
    shrinkage: float = 0.3
    floor: float = 1e-3
    encoder: str = "extra_trees"
    trees: int = 200


@dataclass(frozen=True)
class Declaration:
    """A ready model of the kind ``classification``.

    Attributes
    ----------
    name, title : str
        Its file name without ending, and what it says of itself.
    dataset, label_column : str
        The entry of the catalogue, and the column that holds the target.
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

    name: str
    title: str
    dataset: str
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


def read_declaration(name: str | os.PathLike[str]) -> Declaration:
    """Read the declaration of a classification.

    Raises
    ------
    FormatError
        If the file is not TOML, or an entry is missing, unknown or of the wrong kind.
    """
    reader = Reader(name)
    data, learning = reader.table("data"), reader.table("learning")
    leaves = tuple(_leaf(reader, entry) for entry in reader.list_of_tables("leaf"))
    modalities = [leaf.modality for leaf in leaves]
    given = reader.table("report").get("given")
    return Declaration(
        name=reader.path.stem,
        title=reader.value(reader.content, "title", str, "the file"),
        dataset=reader.value(data, "dataset", str, "[data]"),
        label_column=reader.value(data, "target", str, "[data]"),
        target=reader.value(reader.table("network"), "target", str, "[network]"),
        leaves=leaves,
        folds=reader.value(learning, "folds", int, "[learning]"),
        weight_folds=reader.value(learning, "weight_folds", int, "[learning]"),
        seed=reader.value(learning, "seed", int, "[learning]"),
        given=reader.lists_of_names(given, modalities, "[report] given"),
        groups=read_groups(reader, data),
    )


def read_groups(reader: Reader, data: Mapping[str, Any]) -> GroupsDeclaration | None:
    """Return the groups that the table ``[data]`` names, if it does.

    Raises
    ------
    FormatError
        If they are neither a name nor the first rows of two blocks or more, from row 0 upwards.
    """
    groups = data.get("groups")
    if groups is None or (isinstance(groups, str) and groups):
        return groups
    starts = groups if isinstance(groups, list) else []
    if (
        len(starts) < 2
        or not all(isinstance(start, int) and not isinstance(start, bool) for start in starts)
        or starts[0] != 0
        or any(after <= before for before, after in itertools.pairwise(starts))
    ):
        raise reader.error(
            "[data] 'groups' is the name of a column, or the first row of each block, such as "
            f"[0, 466, 932]; not {groups!r}"
        )
    return tuple(starts)


def _leaf(reader: Reader, entry: Mapping[str, Any]) -> LeafDeclaration:
    where = f"[[leaf]] {entry.get('name', '')}".strip()
    leaf = reader.record(LeafDeclaration, entry, where)
    reader.choice(leaf.kind, LEAF_KINDS, f"{where} kind")
    reader.choice(leaf.transform, TRANSFORMS, f"{where} transform")
    reader.choice(leaf.encoder, ENCODERS, f"{where} encoder")
    return leaf
