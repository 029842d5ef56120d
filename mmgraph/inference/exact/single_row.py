"""One row of plain evidence, answered in as few steps as Python allows."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.state_labels import PLAIN_CELLS
from mmgraph.inference.exact import junction_tree, torch_contraction
from mmgraph.inference.exact.join_tree.batches import bound_plans, compiled_plan
from mmgraph.inference.exact.join_tree.compiled_plan import CompiledPlan, Request
from mmgraph.inference.exact.join_tree.table_view import table_view
from mmgraph.inference.exact.unrolling import needs_unrolling
from mmgraph.inference.model_variables import has_compact_factors
from mmgraph.inference.moments import Deferred, FlatMarginals
from mmgraph.inference.normaliser import normaliser
from mmgraph.inference.posterior import Posterior

_NO_SOFT = np.empty((1, 0))


class _SingleRow(NamedTuple):
    """What one dictionary of plain states with known keys needs, and nothing more.

    Attributes
    ----------
    compiled : CompiledPlan
    memos : list of dict
        Of the reader of each key's cells, what it has read before.
    columns : dict of str to tuple of int
        Where each marginal stands in the output.
    fields : dict of str to object
        Fields of all posteriors.
    """

    compiled: CompiledPlan
    memos: list[dict[tuple[type, Any], int]]
    columns: dict[str, tuple[int, int]]
    fields: dict[str, Any]


def single_row(
    model: FactorGraph, evidence: dict[str, Any], variables: Sequence[str] | str | None
) -> Posterior | None:
    """Answer for one row in as few steps as Python allows; None where the general way is needed."""
    began = time.perf_counter()
    wanted = variables if variables is None or isinstance(variables, str) else tuple(variables)
    key = (tuple(evidence), wanted)
    plans = model.derived.get(bound_plans)  # as cached() does, without a call
    found: _SingleRow | None = None if plans is None else plans.by_keys.get(key)
    if found is None:
        found = _prepare_single_row(model, evidence, wanted)
        if found is None:
            return None
        plans = model.cached(bound_plans)
        plans.by_keys[key] = found
        plans.forget_oldest()
    try:
        # Only cells that the one reader of cells has read before are in its memo.
        codes = [
            memo[cell.__class__, cell]
            for memo, cell in zip(found.memos, evidence.values(), strict=True)
        ]
    except (KeyError, TypeError):
        return None
    output, log_evidence, impossible = found.compiled.run(
        np.array([codes], np.int64).reshape(1, -1), _NO_SOFT
    )
    if impossible:
        return None
    return Posterior.of_plan(
        found.fields,
        FlatMarginals(output, found.columns),
        log_evidence,
        Deferred(_entropy, model, evidence),
        time.perf_counter() - began,
    )


def _entropy(model: FactorGraph, evidence: dict[str, Any]) -> Tensor:
    return junction_tree.joint_entropy(model, Evidence.of(evidence, model.variables))


def _prepare_single_row(
    model: FactorGraph, evidence: dict[str, Any], wanted: tuple[str, ...] | str | None
) -> _SingleRow | None:
    if not all(isinstance(cell, PLAIN_CELLS) for cell in evidence.values()):
        return None
    given = Evidence.of(evidence, model.variables)
    if given.batch != 1 or given.columns != tuple(evidence):
        return None
    if (
        has_compact_factors(model)
        or needs_unrolling(model)
        or torch_contraction.wants_torch(model, given)
    ):
        return None
    view = table_view(model)
    names = (wanted,) if isinstance(wanted, str) else wanted
    indices = junction_tree.indices(view, model, names)
    request = Request(tuple(view.index[n] for n in evidence), variables=indices)
    compiled = compiled_plan(model, view, request, None)
    memos = [model.variables[name].reader.memo for name in evidence]
    fields = {
        "model_variables": model.variables,
        "method": "junction_tree",
        "exact": True,
        "is_normalised": model.is_normalised,
        "normaliser": normaliser(model, given, junction_tree.log_evidence),
        "diagnostics": {},
    }
    return _SingleRow(compiled, memos, junction_tree.places(view, indices), fields)
