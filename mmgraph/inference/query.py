"""The questions that a model is asked, each answered by the method that suits the graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.errors import MmgraphError, UnknownVariableError, ZeroProbabilityError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.assignment import Assignment
from mmgraph.inference.dispatch import Question, answer
from mmgraph.inference.exact import exact
from mmgraph.inference.exact.impossible_evidence import with_barred_element
from mmgraph.inference.exact.single_row import planned_row, single_row
from mmgraph.inference.gaussian.draws import gaussian_draws
from mmgraph.inference.gaussian.joint_moments import JointMoments
from mmgraph.inference.gaussian.model import linear_factors
from mmgraph.inference.numerics.counted_random import placed_generator
from mmgraph.inference.numerics.shortfall import warn_unless_converged
from mmgraph.inference.options import (
    check_count,
    check_device,
    check_model,
    check_type,
    variable_names,
    with_usual,
)
from mmgraph.inference.posterior import Posterior
from mmgraph.inference.samples import Samples, continuous_samples
from mmgraph.inference.sequence_model import SequenceModel


def query(
    model: FactorGraph | SequenceModel,
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
    model : FactorGraph or SequenceModel
        A Bayesian network or any other graph; or a dynamic network, whose evidence has an axis of
        time.
    evidence : None, mapping, pandas.DataFrame or Evidence
        See :meth:`Evidence.of`. Rows may differ in what they observe.
    variables : str or sequence of str, optional
        By default all discrete variables; an observed one gets the point mass it was given.
    method : str
        ``auto`` is exact where that fits the memory budget: the compiled junction tree on the CPU,
        and the same tree run by torch on a GPU or where a table or a soft evidence asks for
        gradients; arrays are unrolled to their elements. Where it does not fit,
        ``belief_propagation``, or ``tree_reweighted`` where that does not converge, and on mixed
        networks ``gibbs``. Others:
        ``enumeration``, ``torch``, ``mean_field``, ``gibbs``, ``parallel_tempering``,
        ``annealed_importance_sampling``; with real variables ``nuts`` and ``svi`` (extra
        ``interop``), of which ``auto`` takes the former where a :class:`~mmgraph.PyroNode` has real
        neighbours that are not observed. On layers of units (bias and bilinear factors) ``auto`` is
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
    names = variable_names(variables)
    if isinstance(model, SequenceModel):
        given = options if dtype is None else {**options, "dtype": dtype}
        method, options = model.checked_call("query", method, device, given)
        return model.answer_query(evidence, names, method, **options)
    check_model(model, "query")
    if plain and type(evidence) is dict:
        quick = single_row(model, evidence, names)
        if quick is None:
            rows = Evidence.of(evidence, model.variables)
            quick, evidence = planned_row(model, evidence, rows, names), rows
        if quick is not None:
            return quick
    check_type("dtype", dtype, "torch.dtype | None")
    if dtype is not None:
        if not dtype.is_floating_point:
            raise MmgraphError(f"the precision is a floating type, not {dtype}")
        options["dtype"] = dtype
    method, options = with_usual(model, "query", method, options)
    posterior: Posterior = _answer("query", model, evidence, (names,), method, device, options)
    return posterior


def _answer(
    question: str,
    model: FactorGraph,
    evidence: object,
    subject: tuple[Any, ...],
    method: str,
    device: object,
    options: Mapping[str, Any],
) -> Any:
    """As :func:`mmgraph.inference.dispatch.answer`, of evidence that is still to be read."""
    rows = Evidence.of(evidence, model.variables)
    try:
        return answer(Question(question, model, rows, subject, device, options), method)
    except ZeroProbabilityError as error:
        raise with_barred_element(error, model, rows) from None


def joint(
    model: FactorGraph,
    variables: Sequence[str],
    evidence: object = None,
    method: str = "auto",
    device: str = "auto",
    **options: Any,
) -> Float[Tensor, "batch *states"]:
    """Return the joint distribution of a few variables given evidence, one axis each.

    Parameters
    ----------
    method : {"auto", "junction_tree", "torch"}
        ``auto`` is the compiled tree, or torch's on another device and where a table or soft
        evidence asks for gradients.
    device : str
        As for :func:`query`.
    **options
        ``memory_budget`` in bytes.

    Raises
    ------
    TreewidthError
        If the joint table or the tables behind it would not fit the memory budget.
    """
    if isinstance(model, SequenceModel):
        raise MmgraphError(
            "joint is not answered by models of sequences; unrolled(length) of a dynamic network "
            "gives a network that is"
        )
    check_model(model, "joint")
    names = _named_once(variables, "the joint distribution asks")
    table: Tensor = _answer("joint", model, evidence, (names,), method, device, options)
    return table


def _named_once(variables: Sequence[str] | str, who: str) -> Sequence[str]:
    """The names of variables, each of which stands for axes of the answer."""
    names = variable_names(variables) or ()
    if not isinstance(variables, str) and len(names) < len(variables):
        twice = next(name for name in names if list(variables).count(name) > 1)
        raise UnknownVariableError(f"{who} for '{twice}' twice")
    return names


def joint_moments(
    model: FactorGraph,
    variables: Sequence[str] | str,
    evidence: object = None,
    device: str = "auto",
) -> JointMoments:
    """Return the means and the covariance of a few continuous variables given evidence.

    Parameters
    ----------
    variables : str or sequence of str
        Each normal given its parents; the elements of vectors stand side by side.
    evidence : None, mapping, pandas.DataFrame or Evidence
        As for :func:`query`.
    device : str
        As for :func:`query`.

    Returns
    -------
    JointMoments
        ``mean`` of shape ``(batch, elements)``, ``covariance`` of shape ``(batch, elements,
        elements)``. They are exact; the distribution itself is a mixture of normals.

    Raises
    ------
    UnknownVariableError
        If a variable is discrete, or no normal density.
    ZeroProbabilityError, TreewidthError
        As for :func:`query`.
    """
    check_model(model, "joint_moments")
    names = _named_once(variables, "the joint moments ask")
    rows = Evidence.of(evidence, model.variables)
    return exact.joint_moments(model, rows, names, check_device(device))


def map_query(
    model: FactorGraph | SequenceModel,
    evidence: object = None,
    variables: Sequence[str] | str | None = None,
    method: str = "auto",
    device: str = "auto",
    **options: Any,
) -> Assignment:
    """Return the most probable assignment given evidence, on the CPU.

    Parameters
    ----------
    variables : str or sequence of str, optional
        Only these are maximised and the others summed out (marginal MAP, exact where it fits); by
        default all (most probable explanation).
    method : str
        ``auto`` is exact where that fits the memory budget (``junction_tree``), or where a minimum
        cut finds the optimum (``graph_cut``); elsewhere TRW-S, whose gap moves then narrow
        (``trws_and_moves``); on another device ``torch`` where exact tables fit, and else ``trws``.
        Others: ``enumeration``, ``max_product``, ``alpha_expansion``, ``alpha_beta_swap``, ``icm``,
        ``branch_and_bound``. The assignment carries its energy, and from most methods a bound and
        the gap.
    device : str
        Where to compute: ``"auto"`` (the CPU; layers of units where their parameters are),
        ``"cpu"`` or ``"cuda"``.
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
    names = variable_names(variables)
    if isinstance(model, SequenceModel):
        method, options = model.checked_call("map_query", method, device, options)
        return model.answer_map_query(evidence, names, method, **options)
    check_model(model, "map_query")
    best: Assignment = _answer("map_query", model, evidence, (names,), method, device, options)
    return best


def sample(
    model: FactorGraph | SequenceModel,
    draws: int,
    evidence: object = None,
    generator: torch.Generator | None = None,
    method: str = "auto",
    device: str = "auto",
    **options: Any,
) -> Samples:
    """Draw samples of every variable given evidence, kept on the CPU.

    Parameters
    ----------
    draws : int
        How many for each row of evidence.
    method : {"auto", "junction_tree", "torch", "layer_summation", "gibbs", "parallel_tempering"}
        ``auto`` draws independent, exact samples (``junction_tree``, or ``torch`` on another
        device) where that fits the memory budget, and resorts to Gibbs chains, whose draws resemble
        each other, where it does not.
    generator : torch.Generator, optional
        The same seed gives the same samples, on each device its own. One that is not on the CPU
        seeds one that is.
    device : str
        As for :func:`map_query`. Real values given their parents are drawn on the CPU.

    Returns
    -------
    Samples
        By variable, labels and real values of shape ``(draws, *shape)``, or ``(batch, draws,
        *shape)`` where the evidence has more than one row; ``.codes`` holds state indices.
    """
    check_count(draws, "draws")
    check_type("generator", generator, "torch.Generator | None")
    if isinstance(model, SequenceModel):
        method, options = model.checked_call("sample", method, device, options)
        return model.answer_sample(draws, evidence, generator, method, **options)
    check_model(model, "sample")
    generator = placed_generator(generator, "cpu")
    rows = Evidence.of(evidence, model.variables)
    drawn = _answer("sample", model, rows, (draws, generator), method, device, options)
    values = {name: tensor.cpu() for name, tensor in drawn.items()}
    if any(f.child is not None and f.child.name not in values for f in linear_factors(model)):
        values |= gaussian_draws(model, rows, values, draws, generator)
    for factor in model.factors:
        if factor.child is None or factor.child.is_discrete or factor.child.name in values:
            continue
        parents = {v.name: values[v.name].reshape(-1) for v in factor.parents}
        here = factor.to("cpu")  # where states and the generator are
        values[factor.child.name] = continuous_samples(here, rows, parents, draws, generator)
    values = {n: values[n] for n in model.variables if n in values}
    if rows.batch == 1:
        return Samples(model.variables, {name: tensor[0] for name, tensor in values.items()})
    return Samples(model.variables, values, rows.batch)


def log_partition(
    model: FactorGraph | SequenceModel,
    evidence: object = None,
    method: str = "auto",
    device: str = "auto",
    **options: Any,
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
    device : str
        As for :func:`query`.

    Raises
    ------
    TreewidthError
        If the exact answer would not fit the memory budget: there is no silent approximation.

    Warns
    -----
    ConvergenceWarning
        If an approximate method has not converged: by how much.
    """
    if isinstance(model, SequenceModel):
        method, options = model.checked_call("log_partition", method, device, options)
        return model.answer_log_partition(evidence, method, **options)
    check_model(model, "log_partition")
    total: Posterior | Tensor
    total = _answer("log_partition", model, evidence, (), method, device, options)
    if isinstance(total, Posterior):
        warn_unless_converged(total)
        return total.log_partition
    return total
