"""Draws of states by the method that suits the graph."""

from __future__ import annotations

import contextlib
from typing import Any

import torch
from torch import Tensor

from mmgraph.graph.errors import TreewidthError, UnderflowError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference import layers, methods
from mmgraph.inference.devices import checked_place, is_elsewhere
from mmgraph.inference.exact import exact, layer_summation
from mmgraph.inference.field.centring import Centred
from mmgraph.inference.options import check_exact


def sampled_states(
    model: FactorGraph,
    evidence: Evidence,
    draws: int,
    generator: torch.Generator | None,
    method: str,
    device: str,
    **options: Any,
) -> dict[str, Tensor]:
    """Return states of the discrete variables, ``(batch, draws, *shape)``.

    As :func:`mmgraph.inference.query.sample`, whose options and errors these are.
    """
    methods.check(method, methods.QUESTIONS["sample"], "sample")
    device = checked_place("sample", method, device)
    if layers.answer(model, method):
        if (near := Centred.of(model, evidence)) is not None:
            options = near.options(options)
            drawn = sampled_states(
                near.graph, near.evidence, draws, generator, method, device, **options
            )
            return near.values(drawn)
        method, model = layers.method_for(method, model, evidence, "sample", options)
        if method == layers.SUMMATION:
            options["device"] = device
            return layer_summation.samples(model, evidence, draws, generator, **options)
    if method in ("junction_tree", "torch"):
        check_exact(options, method)
        options |= exact.place_option(method, device)
        return exact.samples(model, evidence, draws, generator, method, **options)
    if method == "auto":
        methods.check_auto_options(options, ("gibbs",), methods.SAMPLERS)
        budget = methods.auto_budget(
            model, options.pop("exact_budget", None), options.pop("memory_budget", None)
        )
        if methods.exact_may_fit(model, budget):
            tree = "torch" if is_elsewhere(device) else "junction_tree"
            with contextlib.suppress(TreewidthError, UnderflowError):
                return exact.samples(
                    model, evidence, draws, generator, tree, memory_budget=budget,
                    **exact.place_option(tree, device),
                )  # fmt: skip
    chosen = "gibbs" if method == "auto" else method
    options["device"] = device
    drawn = methods.call(
        chosen, methods.SAMPLERS, model, evidence, draws, generator=generator, **options
    )
    return {n: t if evidence.batch > 1 else t.unsqueeze(0) for n, t in drawn.items()}
