"""The four questions, each answered by the method that suits the graph."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.errors import (
    MmgraphError,
    TreewidthError,
    UnderflowError,
    UnknownVariableError,
    suggestion,
)
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference import exact, layer_summation, layers, methods
from mmgraph.inference.assignment import Assignment
from mmgraph.inference.centring import Centred
from mmgraph.inference.continuous_samples import continuous_samples
from mmgraph.inference.impossible import names_barred_elements
from mmgraph.inference.options import (
    check_count,
    check_exact,
    check_model,
    check_type,
    variable_names,
    with_usual,
)
from mmgraph.inference.posterior import Posterior
from mmgraph.inference.samples import Samples
from mmgraph.inference.shortfall import warn_unless_converged
from mmgraph.inference.single_row import single_row


@names_barred_elements
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
    method : str
        ``auto`` is exact where that fits the memory budget: the compiled junction tree on the CPU,
        and the same tree run by torch on a GPU or where a table or a soft evidence asks for
        gradients; arrays are unrolled to their elements. Where it does not fit,
        ``belief_propagation``, or ``tree_reweighted`` where that does not converge. Others:
        ``enumeration``, ``torch``, ``mean_field``, ``gibbs``, ``parallel_tempering``,
        ``annealed_importance_sampling``. On layers of units (bias and bilinear factors) ``auto`` is
        ``layer_summation`` where that is a sum of few terms, and else ``mean_field``; of a machine
        that remembers its ``sweeps`` it is ``mean_field`` with as many, unless ``iterations`` or
        ``tolerance`` are named. The posterior says which method answered.
    device : str
        ``"auto"`` (wherever the model's tables are), ``"cpu"`` or ``"cuda"``.
    dtype : torch.dtype, optional
        The precision; double by default, or single where arrays are kept in single.
    **options
        Passed to the method: ``memory_budget`` in bytes, and what the method's own function takes.
        Under ``auto`` also ``exact_budget``, the bytes that exact inference may take; options of
        approximate methods count only where these are chosen.

    Raises
    ------
    UnknownVariableError, UnknownStateError, EvidenceError
        If the evidence or ``variables`` do not fit the model.
    ZeroProbabilityError
        If the evidence is impossible.
    TreewidthError
        If an exact method was asked for by name and would not fit the memory budget.
    MmgraphError
        If there is no such method, or it has no such option.
    """
    plain = method == "auto" and device == "auto" and dtype is None and not options
    check_model(model, "query")
    names = variable_names(variables)
    if plain and type(evidence) is dict:
        quick = single_row(model, evidence, names)
        if quick is not None:
            return quick
    device = str(device)
    check_type("dtype", dtype, "torch.dtype | None")
    if dtype is not None and not dtype.is_floating_point:
        raise MmgraphError(f"the precision is a floating type, not {dtype}")
    given = Evidence.of(evidence, model.variables)
    methods.check(method, (*methods.EXACT, *methods.MARGINALS), "query")
    _check_device(device)
    method, options = with_usual(model, "query", method, options)
    if layers.answer(model, method):
        if (near := Centred.of(model, given)) is not None:
            options = {"method": method, "device": device, "dtype": dtype, **options}
            return near.posterior(query(near.graph, near.evidence, names, **options))
        method, model = layers.method_for(method, model, given, "query", options)
        if method == layers.SUMMATION:
            return layer_summation.layer_summation(model, given, names, **options)
    if method in methods.MARGINALS:
        options |= methods.given_options(method, methods.MARGINALS, device, dtype)
        found: Posterior = methods.call(method, methods.MARGINALS, model, given, names, **options)
        return found
    where = None if device == "auto" else device
    if method != "auto":
        check_exact(options, method)
        return exact.marginals(model, given, names, method, where, dtype, **options)
    return _best_query(model, given, names, where, dtype, **options)


def _best_query(
    model: FactorGraph,
    evidence: Evidence,
    names: Sequence[str] | None,
    device: str | None,
    dtype: torch.dtype | None,
    exact_budget: int | None = None,
    memory_budget: int | None = None,
    **options: Any,
) -> Posterior:
    """Exact marginals if they fit, else approximate ones."""
    methods.check_auto_options(options, methods.AUTO_MARGINALS, methods.MARGINALS)
    chosen = _exact_method(model, evidence, device)
    budget = methods.auto_budget(model, exact_budget, memory_budget)
    if methods.exact_may_fit(model, budget):
        with contextlib.suppress(TreewidthError, UnderflowError):
            return exact.marginals(
                model, evidence, names, chosen, device, dtype, memory_budget=budget
            )
    options |= {"dtype": dtype, "memory_budget": memory_budget}
    found: Posterior = methods.best_marginals(model, evidence, names, device, **options)
    return found


def _exact_method(model: FactorGraph, evidence: Evidence, device: str | None) -> str:
    wanted = device not in (None, "cpu") or exact.wants_torch(model, evidence)
    return "torch" if wanted else "junction_tree"


def _check_device(device: object) -> None:
    """Raise MmgraphError if torch does not know the device, or does not have it."""
    device = str(device)  # a torch.device too
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


@names_barred_elements
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
    check_model(model, "joint")
    check_exact(options, "junction_tree")
    names = variable_names(variables) or ()
    if not isinstance(variables, str) and len(names) < len(variables):
        twice = next(name for name in names if list(variables).count(name) > 1)
        raise UnknownVariableError(f"the joint distribution asks for '{twice}' twice")
    given = Evidence.of(evidence, model.variables)
    return exact.joint(model, given, names, **options)


@names_barred_elements
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
    method : str
        ``auto`` is exact where that fits the memory budget (``junction_tree``), or where a minimum
        cut finds the optimum (``graph_cut``); elsewhere TRW-S, whose gap moves then narrow
        (``trws_and_moves``). Others: ``enumeration``, ``trws``, ``max_product``,
        ``alpha_expansion``, ``alpha_beta_swap``, ``icm``, ``branch_and_bound``. The assignment
        carries its energy, and from most methods a bound and the gap.
    **options
        Passed to the method. Under ``auto``: ``exact_budget``, the bytes that exact inference may
        take, ``memory_budget`` for whatever answers, and options of the approximate methods, which
        count only where these are chosen.

    Raises
    ------
    UnderflowError
        If ``junction_tree`` was asked for by name and potentials lie too far apart for doubles.
    ZeroProbabilityError, TreewidthError, UnknownVariableError, UnknownStateError
        As for :func:`query`.
    """
    check_model(model, "map_query")
    names = variable_names(variables)
    given = Evidence.of(evidence, model.variables)
    known = ("junction_tree", "enumeration", "layer_summation", *methods.ASSIGNMENTS)
    methods.check(method, known, "map_query")
    _check_device(options.get("device", "auto"))
    if layers.answer(model, method):
        if (near := Centred.of(model, given)) is not None:
            return near.assignment(map_query(near.graph, near.evidence, names, method, **options))
        method, model = layers.method_for(method, model, given, "map_query", options)
        if method == layers.SUMMATION:
            return layer_summation.best_assignment(model, given, names, **options)
    if method in methods.ASSIGNMENTS:
        return _approximate_assignment(model, given, names, method, **options)
    if method != "auto":
        check_exact(options, method)
        return exact.best_assignment(model, given, names, method, **options)
    return _best_assignment(model, given, names, **options)


def _best_assignment(
    model: FactorGraph,
    evidence: Evidence,
    names: Sequence[str] | None,
    exact_budget: int | None = None,
    memory_budget: int | None = None,
    **options: Any,
) -> Assignment:
    """The exact answer if it fits, else a minimum cut, else TRW-S and moves."""
    methods.check_auto_options(options, methods.AUTO_ASSIGNMENTS, methods.ASSIGNMENTS)
    budget = methods.auto_budget(model, exact_budget, memory_budget)
    if methods.exact_may_fit(model, budget):
        try:
            return exact.best_assignment(
                model, evidence, names, "junction_tree", memory_budget=budget
            )
        except (TreewidthError, UnderflowError):
            if names is not None:  # a marginal MAP has no approximate method
                raise
    chosen = methods.best_assignment_method(model)
    function = methods.function_of(chosen, methods.ASSIGNMENTS)
    options = methods.understood(function, options | {"memory_budget": memory_budget})
    return _approximate_assignment(model, evidence, names, chosen, **options)


def _approximate_assignment(
    model: FactorGraph,
    evidence: Evidence,
    names: Sequence[str] | None,
    method: str,
    **options: Any,
) -> Assignment:
    """Maximise over all variables; refuse to call that the maximum of some of them."""
    whole = [n for n, v in model.variables.items() if v.is_discrete]
    if names is not None and set(names) != set(whole):
        raise MmgraphError(
            f"the method '{method}' maximises over all variables; to maximise over some and sum "
            "the others out use method='junction_tree'"
        )
    found: Assignment = methods.call(method, methods.ASSIGNMENTS, model, evidence, **options)
    return found


@names_barred_elements
def sample(
    model: FactorGraph,
    draws: int,
    evidence: object = None,
    generator: torch.Generator | None = None,
    method: str = "auto",
    **options: Any,
) -> Samples:
    """Draw samples of every variable given evidence.

    Parameters
    ----------
    draws : int
        How many for each row of evidence.
    method : {"auto", "junction_tree", "layer_summation", "gibbs", "parallel_tempering"}
        ``auto`` draws independent, exact samples (``junction_tree``) where that fits the memory
        budget, and resorts to Gibbs chains, whose draws resemble each other, where it does not.
    generator : torch.Generator, optional
        The same seed gives the same samples.

    Returns
    -------
    Samples
        By variable, labels and real values of shape ``(draws, *shape)``, or ``(batch, draws,
        *shape)`` where the evidence has more than one row; ``.codes`` holds state indices.
    """
    check_model(model, "sample")
    check_count(draws, "draws")
    check_type("generator", generator, "torch.Generator | None")
    given = Evidence.of(evidence, model.variables)
    states = _sampled_states(model, given, draws, generator, method, **options)
    for factor in model.factors:
        if factor.child is None or factor.child.is_discrete:
            continue
        parents = {v.name: states[v.name].reshape(-1) for v in factor.parents}
        states[factor.child.name] = continuous_samples(factor, given, parents, draws, generator)
    batch = None if given.batch == 1 else given.batch
    found = {n: states[n] for n in model.variables if n in states}
    if batch is None:
        found = {name: tensor[0] for name, tensor in found.items()}
    return Samples(model.variables, found, batch)


def _sampled_states(
    model: FactorGraph,
    evidence: Evidence,
    draws: int,
    generator: torch.Generator | None,
    method: str,
    **options: Any,
) -> dict[str, Tensor]:
    """States of the discrete variables, ``(batch, draws, *shape)``."""
    methods.check(method, ("junction_tree", "layer_summation", *methods.SAMPLERS), "sample")
    _check_device(options.get("device", "auto"))
    if layers.answer(model, method):
        if (near := Centred.of(model, evidence)) is not None:
            drawn = _sampled_states(near.graph, near.evidence, draws, generator, method, **options)
            return near.values(drawn)
        method, model = layers.method_for(method, model, evidence, "sample", options)
        if method == layers.SUMMATION:
            return layer_summation.samples(model, evidence, draws, generator, **options)
    if method == "junction_tree":
        check_exact(options, method)
        return exact.samples(model, evidence, draws, generator, **options)
    if method == "auto":
        methods.check_auto_options(options, ("gibbs",), methods.SAMPLERS)
        budget = methods.auto_budget(
            model, options.pop("exact_budget", None), options.pop("memory_budget", None)
        )
        if methods.exact_may_fit(model, budget):
            with contextlib.suppress(TreewidthError, UnderflowError):
                return exact.samples(model, evidence, draws, generator, memory_budget=budget)
    chosen = "gibbs" if method == "auto" else method
    drawn = methods.call(
        chosen, methods.SAMPLERS, model, evidence, draws, generator=generator, **options
    )
    return {n: t if evidence.batch > 1 else t.unsqueeze(0) for n, t in drawn.items()}


def log_partition(
    model: FactorGraph, evidence: object = None, method: str = "auto", **options: Any
) -> Float[Tensor, " batch"]:
    """Return the logarithm of the weight that evidence leaves, summed over all else.

    Of a Bayesian network that is log P(evidence). The weights of a Markov random field or a
    Boltzmann machine do not sum to one: there log P(evidence) is this, less the same without
    evidence. Impossible evidence gives ``-inf``.

    Parameters
    ----------
    method : str
        ``auto`` is exact. ``belief_propagation`` gives the Bethe approximation,
        ``tree_reweighted`` an upper bound, ``mean_field`` a lower bound,
        ``annealed_importance_sampling`` an estimate; :func:`query` by the same method tells more.

    Raises
    ------
    TreewidthError
        If the exact answer would not fit the memory budget: there is no silent approximation.

    Warns
    -----
    ConvergenceWarning
        If an approximate method has not converged: by how much.
    """
    check_model(model, "log_partition")
    given = Evidence.of(evidence, model.variables)
    methods.check(method, (*methods.EXACT, *methods.MARGINALS), "log_partition")
    _check_device(options.get("device", "auto"))
    if layers.answer(model, method):
        if (near := Centred.of(model, given)) is not None:
            return log_partition(near.graph, near.evidence, method, **options) + near.constant
        method, model = layers.method_for(method, model, given, "log_partition", options)
        if method == layers.SUMMATION:
            return layer_summation.log_evidence(model, given, **options)
    if method in methods.MARGINALS:
        found: Posterior = methods.call(method, methods.MARGINALS, model, given, (), **options)
        warn_unless_converged(found)
        return found.log_partition
    if method == "auto":
        method = _exact_method(model, given, None)
    check_exact(options, method)
    return exact.log_evidence(model, given, method, **options)
