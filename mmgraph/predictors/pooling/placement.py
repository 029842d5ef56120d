"""Which leaf sees which modalities."""

from __future__ import annotations

from collections.abc import Mapping

from mmgraph.data.blocks.block import Block
from mmgraph.data.blocks.sequences_and_texts import Texts
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.graph.errors import LearningError, warn_caller
from mmgraph.predictors.leaves.leaf import Leaf
from mmgraph.predictors.leaves.named import LEAVES, LeafNames, named_leaves
from mmgraph.predictors.leaves.words import WordsLeaf
from mmgraph.predictors.pooling.pooled_leaves import PlacedLeaf

_OF_TEXTS = (
    ": a column of texts is a modality alone, or read by a schema in which its kind is 'text' "
    "(MultimodalData.read(frame, schema))"
)


class SilentModalityWarning(UserWarning):
    """A modality by which no row can be told: constant, or missing throughout."""


def placed_leaves(
    data: MultimodalData, leaves: LeafNames | Mapping[str, LeafNames], joint: LeafNames
) -> list[PlacedLeaf]:
    """Return the leaves of all modalities that can tell something.

    Parameters
    ----------
    data : MultimodalData
    leaves, joint
        As of :class:`~mmgraph.predictors.multimodal_classifier.MultimodalClassifier`.

    Raises
    ------
    LearningError
        If there are none, no leaf is called so, or one cannot see its modality.
    SchemaError
        If there is no such modality.
    """
    for modality in leaves if isinstance(leaves, Mapping) else ():
        data.block(modality)
    telling = telling_modalities(data)
    placed: list[PlacedLeaf] = []
    for modality in telling:
        chosen = _suited(leaves, modality, data.block(modality))
        placed += [PlacedLeaf(n, (modality,), k) for n, k in chosen]
    placed += _joint(data, telling, _joint_kinds(leaves) if joint == "auto" else joint)
    if not placed:
        raise LearningError("there are no leaves: name one for a modality that varies")
    names = [leaf.name for leaf in placed]
    for name in names:
        if names.count(name) > 1:
            raise LearningError(
                f"two leaves are called '{name}': name each once, and no modality 'joint'"
            )
    return placed


def _joint_kinds(leaves: LeafNames | Mapping[str, LeafNames]) -> LeafNames:
    """The leaves of single modalities that may see all of them, too."""
    kinds = leaves.values() if isinstance(leaves, Mapping) else [leaves]
    chosen: list[str | Leaf] = []
    for name, leaf in (pair for group in kinds for pair in named_leaves(group)):
        kind = name if name in LEAVES else leaf
        if leaf.joins and kind not in chosen:
            chosen.append(kind)
    return chosen


def _joint(data: MultimodalData, telling: tuple[str, ...], kinds: LeafNames) -> list[PlacedLeaf]:
    """The leaves that see all modalities at once, where there are several and rows have them."""
    numeric = tuple(m for m in telling if not isinstance(data.block(m), Texts))
    joint = [PlacedLeaf(n, numeric, k) for n, k in named_leaves(kinds)]
    if len(numeric) < 2 or not joint:
        return []
    for leaf in joint:
        if not all(leaf.leaf.suits(data.block(modality)) for modality in numeric):
            raise LearningError(f"the leaf '{leaf.kind}' sees nothing of {', '.join(numeric)}")
    if joint[0].can_learn(data):
        return joint
    warn_caller(
        f"no rows of two classes have all of {', '.join(numeric)}: there are no joint leaves",
        SilentModalityWarning,
    )
    return []


def telling_modalities(data: MultimodalData) -> tuple[str, ...]:
    """Return the modalities by which a row can be told; of others a warning says why not.

    Raises
    ------
    LearningError
        If there are none.
    """
    telling = []
    for modality, block in data.blocks.items():
        leaf = next(leaf for leaf in LEAVES.values() if leaf.suits(block))
        if block.missing.all():
            reason = "is missing in every row"
        elif not PlacedLeaf(modality, (modality,), leaf).can_learn(data):
            reason = "is constant, or there in rows of one class only"
        else:
            telling.append(modality)
            continue
        warn_caller(
            f"the modality '{modality}' of {data.origin} {reason}: it tells nothing",
            SilentModalityWarning,
        )
    if not telling:
        raise LearningError(
            f"no modality of {data.origin} tells anything: each is missing or constant"
        )
    return tuple(telling)


def _suited(
    leaves: LeafNames | Mapping[str, LeafNames], modality: str, block: Block
) -> list[tuple[str, Leaf]]:
    """The leaves of a modality by name: of those meant for all modalities, what suits its rows."""
    if isinstance(leaves, Mapping):
        chosen = named_leaves(leaves.get(modality, ()))
        for name, leaf in chosen:
            if not leaf.suits(block):
                remedy = _OF_TEXTS if isinstance(leaf, WordsLeaf) else ""
                raise LearningError(
                    f"the leaf '{name}' sees nothing of the modality '{modality}', which is of "
                    f"{type(block).__name__.lower()}{remedy}"
                )
        return chosen
    suited = [(name, leaf) for name, leaf in named_leaves(leaves) if leaf.suits(block)]
    return suited or (named_leaves("words") if isinstance(block, Texts) else [])
