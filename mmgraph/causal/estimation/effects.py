"""The question what an intervention changes, answered from a network or from data."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import torch

from mmgraph.causal.estimation.effect import Effect
from mmgraph.causal.estimation.estimators.intervals import IntervalSettings
from mmgraph.causal.estimation.from_data import estimated_effect
from mmgraph.causal.estimation.from_network import effect_in_network
from mmgraph.causal.estimation.question import question
from mmgraph.causal.estimation.task import EstimationOptions
from mmgraph.causal.graph.causal_graph import CausalGraph
from mmgraph.graph.errors import CausalError, suggestion
from mmgraph.networks.bayesian_network import BayesianNetwork

_ASKING = ("kind", "through", "given", "by", "baseline", "scores")
_ESTIMATING = ("method", "learner", "empty", "adjustment", "weights", "groups", "interventions")
_INTERVALS = ("interval", "level", "draws", "generator")


def effect(
    graph: CausalGraph,
    modalities: Mapping[str, str],
    network: BayesianNetwork | None,
    latent: Collection[str],
    outcome: str | Mapping[str, Any],
    do: str | Mapping[str, Any],
    data: object = None,
    **options: Any,
) -> Effect:
    """Return an effect; parameters and errors are those of ``CausalModel.effect``."""
    known = (*_ASKING, *_ESTIMATING, *_INTERVALS)
    for name in options:
        if name not in known:
            raise CausalError(f"there is no option {name!r}{suggestion(name, known)}")
    asking = {name: options[name] for name in _ASKING if name in options}
    asked = question(graph, modalities, outcome, do, latent=latent, **asking)
    variables = {} if network is None else network.variables
    if data is None:
        if network is None:
            raise CausalError("the model is a graph without numbers: give data")
        if options.get("method", "auto") != "auto":
            raise CausalError(f"the method '{options['method']}' is one of data, and there is none")
        for name in (*_ESTIMATING[1:], *_INTERVALS):
            if options.get(name) is not None:
                raise CausalError(f"{name} is of estimates from data, and there is none")
        return effect_in_network(asked, network)
    settings = IntervalSettings(
        options.get("interval", "analytical"),
        options.get("level", 0.95),
        options.get("draws", 1000),
        options.get("generator") or torch.Generator().manual_seed(0),
    )
    estimating = {name: options[name] for name in _ESTIMATING if name in options}
    return estimated_effect(
        asked, variables, data, EstimationOptions(**estimating, settings=settings)
    )
