"""Pictures of a classification: its target with the leaves of each modality."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

import numpy as np

from mmgraph.experiments.reader import Names
from mmgraph.graph.factors.table import TableFactor
from mmgraph.graph.leaves.score_leaf import ScoreLeaf
from mmgraph.graph.variable import Variable
from mmgraph.networks.bayesian_network import BayesianNetwork
from mmgraph.plots import draw_network


def draw_leaves(
    target: Variable, leaves: Sequence[tuple[str, Sequence[str]]], path: str | os.PathLike[str]
) -> None:
    """Draw a target and its leaves, each a name and the modalities that it sees.

    Leaves that see the same stand in one box, since each has the target for its only parent.
    """
    cause = Variable(target.name, target.labels)
    uniform = np.full(cause.cardinality, 1 / cause.cardinality)
    boxes: dict[tuple[str, ...], list[str]] = {}
    for name, modalities in leaves:
        boxes.setdefault(tuple(modalities), []).append(name)
    parts = []
    for modalities, names in boxes.items():
        child = Variable(
            "\n".join(f"{name}'" if name == cause.name else name for name in names),
            shape=(cause.cardinality,),
            modality=" + ".join(modalities),
            family="gaussian",
        )
        parts.append(ScoreLeaf(child, cause, np.log(uniform)))
    prior = TableFactor((cause,), uniform, child=cause)
    variables = [cause, *(part.child for part in parts)]
    draw_network(BayesianNetwork(variables, [prior, *parts]), path)


def file_names(given: Names) -> list[str]:
    """Return the name of the confusion matrix of each situation, without an ending.

    Names of modalities may hold what file names may not.
    """
    names: list[str] = []
    for modalities in given:
        name = "confusion_" + "_".join(re.sub(r"\W+", "_", m) for m in modalities)[:100]
        names.append(name if name not in names else f"{name}_{len(names)}")
    return names
