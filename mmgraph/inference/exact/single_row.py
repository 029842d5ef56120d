"""The junction tree on one row of plain evidence, in as few steps as Python allows."""

from __future__ import annotations

import time
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from mmgraph.graph.errors import TreewidthError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.state_labels import PLAIN_CELLS
from mmgraph.graph.storage.cache import Recent
from mmgraph.graph.storage.copying import ReadOnlyDict
from mmgraph.inference.exact import junction_tree
from mmgraph.inference.exact.join_tree.compiled_plan import CompiledPlan, compiled_plan
from mmgraph.inference.exact.join_tree.plan import Request
from mmgraph.inference.exact.join_tree.request import PLANS_KEPT
from mmgraph.inference.exact.join_tree.table_view import (
    indices,
    table_structure,
    wants_torch,
)
from mmgraph.inference.model_variables import has_compact_factors, needs_unrolling, normal_variables
from mmgraph.inference.normaliser import normaliser
from mmgraph.inference.posterior import Moments, Posterior

_NO_SOFT = np.empty((1, 0))


class RowPlan(NamedTuple):
    """What one dictionary of plain states with known keys needs.

    For each key the cells that its reader has read before, and their states, and the fields that
    all posteriors share.
    """

    compiled: CompiledPlan
    memos: list[dict[tuple[type, Any], int]]
    fields: dict[str, Any]


def single_row(
    model: FactorGraph, evidence: dict[str, Any], variables: tuple[str, ...] | None
) -> Posterior | None:
    """Return the marginals given one row; None where it has to be read and planned for first."""
    began = time.perf_counter()
    plans = model.derived.get(row_plans)  # as cached(), which would be a call more
    row = None if plans is None else plans.get((tuple(evidence), variables))
    if row is None:
        return None
    try:
        # Only cells that the one reader of cells has read before are in its memo.
        codes = [
            memo[cell.__class__, cell]
            for memo, cell in zip(row.memos, evidence.values(), strict=True)
        ]
    except (KeyError, TypeError):
        return None
    output, log_evidence, impossible = row.compiled.run(
        np.array([codes], np.int64).reshape(1, -1), _NO_SOFT
    )
    if impossible:
        return None
    return Posterior.of_plan(
        row.fields,
        output,
        log_evidence,
        partial(_entropy, model, evidence),
        time.perf_counter() - began,
    )


def _entropy(model: FactorGraph, evidence: dict[str, Any]) -> Tensor:
    return junction_tree.joint_entropy(model, Evidence.of(evidence, model.variables))


def row_plans(_: FactorGraph) -> Recent[tuple[tuple[str, ...], tuple[str, ...] | None], RowPlan]:
    """Return the plans of rows by the keys of the evidence and the variables: at first none."""
    return Recent(PLANS_KEPT)


def planned_row(
    model: FactorGraph,
    evidence: dict[str, Any],
    row: Evidence,
    variables: tuple[str, ...] | None,
) -> Posterior | None:
    """Return the marginals given a row of evidence as it was read, and plan for others like it.

    None where the row is not of plain states, or the model not one of tables that fit the memory.
    """
    if (
        row.batch != 1
        or row.columns != tuple(evidence)
        or not all(isinstance(cell, PLAIN_CELLS) for cell in evidence.values())
        or has_compact_factors(model)
        or needs_unrolling(model)
        or normal_variables(model)
        or wants_torch(model, row)
    ):
        return None
    structure = table_structure(model)
    wanted = indices(model, variables)
    request = Request(tuple(structure.index[n] for n in evidence), variables=wanted)
    try:
        compiled = compiled_plan(model, request, None)
    except TreewidthError:
        return None
    memos = [model.variables[name].reader.memo for name in evidence]
    fields = {
        "model_variables": model.variables,
        "method": "junction_tree",
        "exact": True,
        "is_normalised": model.is_normalised,
        "normaliser": normaliser(model, row, junction_tree.log_evidence),
        "moments": Moments(),
        "columns": structure.places(wanted),
        "diagnostics": ReadOnlyDict(),
    }
    model.cached(row_plans)[tuple(evidence), variables] = RowPlan(compiled, memos, fields)
    return single_row(model, evidence, variables)
