"""What an experiment would bring about, by a graph and a network that have not seen it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mmgraph.experiments.structure.data import Experiments
from mmgraph.experiments.structure.declaration import EffectDeclaration, VariantDeclaration
from mmgraph.experiments.structure.learner import SET, Learner
from mmgraph.inference.query import query
from mmgraph.networks.bayesian_network import BayesianNetwork


def predicted_effect(
    data: Experiments,
    variant: VariantDeclaration,
    effect: EffectDeclaration,
    replicates: int,
    threshold: float,
    seed: int,
    progress: Callable[[int, int], object] | None = None,
    scratch: Path | None = None,
) -> dict[str, Any]:
    """Return how an experiment moves its outcome: as predicted without it, and as measured.

    Cuts, graphs (the best and the averaged one) and parameters come from the rows of all other
    experiments. The outcome of a network with nothing set stands beside the rows of the reference,
    that of the network with the column set by force beside the rows of the experiment.

    Returns
    -------
    dict
        ``experiment``, ``sets`` and the ``level`` that it is brought to, ``outcome`` and its
        ``levels``; ``predicted`` by each graph and ``measured``: the shares of levels ``without``
        and ``with`` the experiment; the ``edges`` of each graph, and the ``confidence`` of an edge
        between both columns.
    """
    number = data.names.index(effect.experiment)
    column, is_raised = data.acts_on[number]
    learner = Learner(data.without(effect.experiment), variant, seed)
    frequencies = learner.frequencies(replicates, progress, scratch)
    learned = learner.graph(learner.rows).with_frequencies(frequencies, threshold)
    intervals = learner.intervals(learner.rows)
    states = learner.states(learner.rows, intervals)
    networks = {
        f"{which} graph": BayesianNetwork.from_structure(
            learned,
            states,
            "bdeu",
            interventions=SET,
            consensus=which == "averaged",
            equivalent_sample_size=variant.strength,
            states={name: len(found) for name, found in intervals.items()},
        )
        for which in ("best", "averaged")
    }
    cause, outcome = data.columns[column], effect.outcome
    level = len(intervals[cause]) - 1 if is_raised else 0
    shown = Learner(data, variant, seed)
    place = data.columns.index(outcome)

    def measured(experiment: str) -> list[float]:
        rows = shown.rows[data.experiment[shown.rows] == data.names.index(experiment)]
        codes = intervals[outcome].codes(data.values[rows, place])
        shares: list[float] = (
            np.bincount(codes, minlength=len(intervals[outcome])) / len(rows)
        ).tolist()
        return shares

    def predicted(network: BayesianNetwork) -> list[float]:
        shares: list[float] = query(network, variables=[outcome]).marginal(outcome)[0].tolist()
        return shares

    return {
        "experiment": effect.experiment,
        "sets": cause,
        "level": intervals[cause].labels[level],
        "outcome": outcome,
        "levels": list(intervals[outcome].labels),
        "predicted": {
            name: {"without": predicted(net), "with": predicted(net.do({cause: level}))}
            for name, net in networks.items()
        },
        "measured": {"without": measured(effect.reference), "with": measured(effect.experiment)},
        "edges": {name: [list(edge) for edge in net.edges] for name, net in networks.items()},
        "confidence": (learned.edge_confidence or {}).get(frozenset((cause, outcome)), 0.0),
    }
