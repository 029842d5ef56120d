"""Iterated conditional modes of layers of units: a whole layer at once, all rows in one batch."""

from __future__ import annotations

import time

import torch

from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.assignment import Assignment
from mmgraph.inference.field.block_gibbs import free_parts, merged
from mmgraph.inference.field.coordinate_ascent import ascend
from mmgraph.inference.field.moments import values_of
from mmgraph.inference.field.view import FieldView
from mmgraph.inference.model_variables import default_precision, tables_device
from mmgraph.inference.pairwise.colouring import colour_masks

_MEAN_FIELD_PASSES = 20


def icm_of_layers(
    graph: FactorGraph, evidence: Evidence, iterations: int, device: str = "auto"
) -> Assignment:
    """Return values, on the CPU, that no change of a single unit betters.

    The search starts from the modes of mean field. Units of one layer are independent given the
    others, so that a layer of them moves as one.
    """
    began = time.perf_counter()
    place = tables_device(graph) if device == "auto" else torch.device(device)
    view = FieldView(graph, evidence, place, default_precision(graph))
    view.check_possible()
    colours = colour_masks(graph)
    with torch.no_grad():
        states = view.start()
        ascend(view, colours, states, _MEAN_FIELD_PASSES)
        done, changed = 0, True
        while changed and done < iterations:
            previous = dict(states)
            for name, mask in free_parts(view, colours):
                mode = view.kept(name, view.families[name].mode(view.field(name, states)))
                states[name] = merged(view, mask, mode, states[name])
            changed = any(not torch.equal(states[n], previous[n]) for n in view.free)
            done += 1
        log_weight = view.expected_log_weight(states) + view.log_base(states)
    return Assignment(
        {n: values_of(view, n, s).cpu() for n, s in states.items()},
        dict(view.variables),
        log_weight.double().cpu(),
        method="icm",
        exact=False,
        converged=not changed,
        shortfall=f"icm: units still changed in sweep {done}, the last" if changed else "",
        iterations=done,
        seconds=time.perf_counter() - began,
    )
