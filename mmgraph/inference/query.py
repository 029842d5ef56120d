"""The four questions, each answered by the method that suits the graph."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.errors import MmgraphError, suggestion
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference import enumeration, junction_tree, torch_contraction
from mmgraph.inference.assignment import Assignment
from mmgraph.inference.batches import compiled_plan, forget_old_plans
from mmgraph.inference.compiled import CompiledPlan, Request
from mmgraph.inference.posterior import Posterior
from mmgraph.inference.table_view import table_view

_NO_SOFT = np.empty((1, 0))


def query(
    model: FactorGraph,
    evidence: object = None,
    variables: Sequence[str] | str | None = None,
    method: str = "auto",
    device: str = "auto",
    dtype: torch.dtype | None = None,
    **options: Any,
) -> Posterior:
    """Return the marginals of some variables given evidence.

    Parameters
    ----------
    model : FactorGraph
        A Bayesian network or any other graph.
    evidence : None, mapping, pandas.DataFrame or Evidence
        See :meth:`Evidence.of`. Rows may differ in what they observe.
    variables : str or sequence of str, optional
        By default all discrete variables; an observed one gets the point mass it was given.
    method : {"auto", "junction_tree", "enumeration", "torch"}
        ``auto`` is exact: the compiled junction tree on the CPU, and the same tree run by torch on
        a GPU or where a table or a soft evidence asks for gradients.
    device : str
        ``"auto"`` (wherever the model's tables are), ``"cpu"`` or ``"cuda"``.
    dtype : torch.dtype, optional
        The precision of the torch method; double by default.
    **options
        Passed to the method: ``memory_budget`` in bytes.

    Raises
    ------
    UnknownVariableError, UnknownStateError, EvidenceError
        If the evidence or ``variables`` do not fit the model.
    ZeroProbabilityError
        If the evidence is impossible.
    TreewidthError
        If exact inference would not fit the memory budget.
    """
    if not isinstance(model, FactorGraph):
        raise MmgraphError(f"query asks for a model, not {model!r}; mm.read(name) reads one")
    if method == "auto" and type(evidence) is dict and device == "auto" and not options:
        quick = _single_row(model, evidence, variables)
        if quick is not None:
            return quick
    names = (variables,) if isinstance(variables, str) else variables
    given = Evidence.of(evidence, model.variables)
    chosen = _method(model, given, method, device)
    if chosen == "junction_tree":
        return junction_tree.junction_tree(model, given, names, **options)
    if chosen == "enumeration":
        return enumeration.enumeration(model, given, names, **options)
    where = None if device == "auto" else device
    return torch_contraction.torch_contraction(model, given, names, where, dtype, **options)


_METHODS = ("auto", "junction_tree", "enumeration", "torch")


def _method(model: FactorGraph, evidence: Evidence, method: str, device: str) -> str:
    if method not in _METHODS:
        hint = suggestion(method, _METHODS)
        raise MmgraphError(f"unknown method {method!r}{hint} (known: {', '.join(_METHODS)})")
    _check_device(device)
    if method != "auto":
        return method
    if device not in ("auto", "cpu") or torch_contraction.wants_torch(model, evidence):
        return "torch"
    return "junction_tree"


def _check_device(device: str) -> None:
    """Raise MmgraphError if torch does not know the device, or does not have it."""
    if device in ("auto", "cpu"):
        return
    kind, colon, number = device.partition(":")
    if kind != "cuda" or bool(colon) != number.isdecimal():
        hint = suggestion(device, ("auto", "cpu", "cuda"))
        raise MmgraphError(f"unknown device {device!r}{hint} (known: auto, cpu, cuda, cuda:0, …)")
    if not torch.cuda.is_available() or int(number or 0) >= torch.cuda.device_count():
        raise MmgraphError(
            f"device {device!r} was asked for, but torch finds no such CUDA device; "
            "use device='cpu'"
        )


class _SingleRow:
    """What one dictionary of plain states with known keys needs, and nothing more."""

    __slots__ = ("codes", "compiled", "places", "variables")

    def __init__(
        self,
        compiled: CompiledPlan,
        codes: list[dict[object, int]],
        places: dict[str, tuple[int, int]],
        variables: Mapping[str, Any],
    ) -> None:
        self.compiled = compiled
        self.codes = codes
        self.places = places
        self.variables = variables


def _single_row(
    model: FactorGraph, evidence: dict[str, Any], variables: Sequence[str] | str | None
) -> Posterior | None:
    """Answer for one row in as few steps as Python allows; None where the general way is needed."""
    began = time.perf_counter()
    wanted = variables if variables is None or isinstance(variables, str) else tuple(variables)
    key = (tuple(evidence), wanted)
    found = model.plans.get(key)
    if found is None:
        found = _prepare_single_row(model, evidence, wanted)
        if found is None:
            return None
        model.plans[key] = found
        forget_old_plans(model)
    try:
        codes = [table[v] for table, v in zip(found.codes, evidence.values(), strict=True)]
    except (KeyError, TypeError):
        return None
    output, log_evidence, impossible = found.compiled.run(
        np.array([codes], np.int64).reshape(1, -1), _NO_SOFT
    )
    if impossible:
        return None
    return Posterior(
        found.places,
        found.variables,
        output,
        log_evidence,
        method="junction_tree",
        exact=True,
        seconds=time.perf_counter() - began,
        entropy=lambda: junction_tree.joint_entropy(model, Evidence.of(evidence, model.variables)),
    )


def _prepare_single_row(
    model: FactorGraph, evidence: dict[str, Any], wanted: tuple[str, ...] | str | None
) -> _SingleRow | None:
    given = Evidence.of(evidence, model.variables)
    if given.batch != 1 or given.columns != tuple(evidence):
        return None
    if _method(model, given, "auto", "auto") != "junction_tree":
        return None
    view = table_view(model)
    names = (wanted,) if isinstance(wanted, str) else wanted
    indices = junction_tree.indices(view, model, names)
    request = Request(tuple(view.index[n] for n in evidence), variables=indices)
    compiled = compiled_plan(model, view, request, None)
    codes = []
    for name in evidence:
        variable = model.variables[name]
        labels: dict[object, int] = {}
        if all(isinstance(label, str) for label in variable.labels):
            labels.update({i: i for i in range(variable.cardinality)})
        labels.update({label: i for i, label in enumerate(variable.labels)})
        codes.append(labels)
    return _SingleRow(compiled, codes, junction_tree.places(view, indices), model.variables)


def joint(
    model: FactorGraph,
    variables: Sequence[str],
    evidence: object = None,
    **options: Any,
) -> Float[Tensor, "batch *states"]:
    """Return the joint distribution of a few variables given evidence, one axis each.

    Raises
    ------
    TreewidthError
        If the joint table or the tables behind it would not fit the memory budget.
    """
    given = Evidence.of(evidence, model.variables)
    return junction_tree.joint_distribution(model, given, variables, **options)[0]


def map_query(
    model: FactorGraph,
    evidence: object = None,
    variables: Sequence[str] | str | None = None,
    method: str = "auto",
    **options: Any,
) -> Assignment:
    """Return the most probable assignment given evidence.

    Parameters
    ----------
    variables : str or sequence of str, optional
        Only these are maximised and the others summed out (marginal MAP, exact where it fits); by
        default all (most probable explanation).
    method : {"auto", "junction_tree", "enumeration"}
        Both are exact.

    Raises
    ------
    ZeroProbabilityError, TreewidthError, UnknownVariableError, UnknownStateError
        As for :func:`query`.
    """
    names = (variables,) if isinstance(variables, str) else variables
    given = Evidence.of(evidence, model.variables)
    began = time.perf_counter()
    chosen = "junction_tree" if method == "auto" else _method(model, given, method, "cpu")
    if chosen == "torch":
        raise MmgraphError("the torch method does not answer map_query; use 'junction_tree'")
    find = enumeration.best_assignment if chosen == "enumeration" else junction_tree.best_assignment
    states, log_weight = find(model, given, names, **options)
    return Assignment(
        states,
        {n: model.variables[n] for n in states},
        log_weight,
        method=chosen,
        seconds=time.perf_counter() - began,
    )


def sample(
    model: FactorGraph,
    draws: int,
    evidence: object = None,
    generator: torch.Generator | None = None,
    **options: Any,
) -> dict[str, Tensor]:
    """Draw independent, exact samples of every variable given evidence.

    Parameters
    ----------
    draws : int
        How many for each row of evidence.
    generator : torch.Generator, optional
        The same seed gives the same samples.

    Returns
    -------
    dict of str to Tensor
        State indices (real values for continuous leaves), shape ``(draws, *shape)``, or
        ``(batch, draws, *shape)`` where the evidence has more than one row.
    """
    if draws < 1:
        raise MmgraphError(f"draws must be at least 1, not {draws}")
    given = Evidence.of(evidence, model.variables)
    states = junction_tree.exact_samples(model, given, draws, generator, **options)
    for factor in table_view(model).continuous:
        assert factor.child is not None
        parents = {v.name: states[v.name].reshape(-1) for v in factor.parents}
        states[factor.child.name] = _continuous_samples(factor, given, parents, draws, generator)
    return {
        name: states[name][0] if given.batch == 1 else states[name]
        for name in model.variables
        if name in states
    }


def _continuous_samples(
    factor: Any,
    evidence: Evidence,
    parents: dict[str, Tensor],
    draws: int,
    generator: torch.Generator | None,
) -> Tensor:
    """Values of a continuous leaf: drawn where missing, kept where observed."""
    drawn = factor.sample(parents, generator, rows=evidence.batch * draws)
    given = evidence.values.get(factor.child.name)
    if given is not None:
        known = given.to(drawn).repeat_interleave(draws, dim=0).reshape(drawn.shape)
        partly = known.isnan().flatten(1) if known.ndim > 1 else known.isnan()[:, None]
        if bool((partly.any(1) & ~partly.all(1)).any()):
            drawn = factor.sample_given(parents, known, generator)
        drawn = torch.where(known.isnan(), drawn, known)
    return drawn.reshape(evidence.batch, draws, *factor.child.shape)


def expected_family_counts(
    model: FactorGraph,
    evidence: object = None,
    weights: object = None,
    **options: Any,
) -> dict[str, Float[Tensor, "*states"]]:
    """Return each conditional table's posterior, summed over the rows of evidence.

    The expected sufficient statistics of maximum likelihood with missing cells (Lauritzen 1995,
    "The EM algorithm for graphical association models with missing data").

    Parameters
    ----------
    weights : array-like, shape (batch,), optional
        How often each row counts.

    Returns
    -------
    dict of str to Tensor
        By child; axes as in the scope of the child's distribution, ``(*parents, child)``.

    Raises
    ------
    MmgraphError
        If a table is no conditional distribution, or the weights do not fit the rows.
    """
    given = Evidence.of(evidence, model.variables)
    rows = None if weights is None else np.asarray(weights, np.float64)
    if rows is not None and rows.shape != (given.batch,):
        raise MmgraphError(f"weights of shape {rows.shape} for {given.batch} rows")
    tabular = [f for f in model.factors if f.is_tabular]
    for factor in tabular:
        if factor.child is None:
            raise MmgraphError(f"{factor!r} is not a conditional distribution and has no family")
    counts, _ = junction_tree.factor_beliefs(model, given, rows, **options)
    families = zip(tabular, counts, strict=False)
    return {f.child.name: torch.from_numpy(c) for f, c in families if f.child is not None}


def log_partition(
    model: FactorGraph, evidence: object = None, method: str = "auto", **options: Any
) -> Float[Tensor, " batch"]:
    """Return log P(evidence), for a Markov random field the logarithm of what evidence leaves of Z.

    Impossible evidence gives ``-inf``.
    """
    given = Evidence.of(evidence, model.variables)
    chosen = _method(model, given, method, "auto")
    if chosen == "enumeration":
        return enumeration.log_evidence(model, given, **options)
    if chosen == "torch":
        return torch_contraction.log_evidence(model, given, **options)
    return junction_tree.log_evidence(model, given, **options)
