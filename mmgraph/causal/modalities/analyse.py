"""Analyses of what modalities tell: of networks, of predictors, and of predictions."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import combinations
from typing import Any, Literal, get_args

import networkx as nx
import numpy as np
import torch
from jaxtyping import Float64, Int64

from mmgraph.causal.modalities.acquisition import network_tests, predictor_tests
from mmgraph.causal.modalities.analysis import Loss, ModalityAnalysis, Tests
from mmgraph.causal.modalities.checks import (
    check_names,
    check_no_weights,
    check_unused,
    check_varied,
    checked_codes,
    checked_groups,
)
from mmgraph.causal.modalities.information.by_modality import (
    MOST_SOURCES,
    o_information,
    shapley_weights,
)
from mmgraph.causal.modalities.modality_graph import modality_graph
from mmgraph.causal.modalities.network_beliefs import NetworkBeliefs, variables_by_modality
from mmgraph.causal.modalities.pair_decompositions import pair_decompositions
from mmgraph.causal.modalities.predictor_beliefs import PredictorBeliefs
from mmgraph.causal.modalities.set_figures import AllSets, Members, RowSets, TableSets
from mmgraph.data.modality_rows import ModalityRows
from mmgraph.graph.arrays import float_array
from mmgraph.graph.column_reader import is_frame
from mmgraph.graph.errors import MmgraphError, UnknownVariableError, check_choice
from mmgraph.graph.memory_budget import check_required, default_memory_budget
from mmgraph.graph.state_labels import Label
from mmgraph.inference.options import check_count
from mmgraph.networks.bayesian_network import BayesianNetwork

Beliefs = Float64[np.ndarray, "rows states"]
Method = Literal["auto", "exact", "samples"]


def analyse_modalities(
    model: Any,
    target: str,
    data: object = None,
    *,
    by: Literal["modality", "variable"] | None = None,
    modalities: Mapping[str, Sequence[str]] | Sequence[str] | None = None,
    groups: object = None,
    structure: Any = None,
    method: Method = "auto",
    draws: int | None = None,
    generator: torch.Generator | None = None,
) -> ModalityAnalysis:
    """Return what each modality tells of a target, alone, in sets, and given the others.

    Without data a network is asked about itself: exactly by its joint distribution where that
    fits, and else by rows drawn from it. With data figures are those of its answers to these
    rows: information is how far the log-loss falls below the entropy of the target's shares, in
    expectation a lower bound of what the modalities hold: what a model cannot express (synergy, of
    one that adds modalities up) is missed. Each modality doubles the time, up to 12 of them, of
    which all sets are looked at.

    Parameters
    ----------
    model : BayesianNetwork or fitted predictor
        Discrete or mixed; or what answers ``predict_proba(data, given=modalities)`` and has
        ``classes_``, which needs data.
    target : str
        A variable with states.
    data : data frame, path, mapping or MultimodalData, optional
        Rows with the target that the model has not learned from; cells may be missing. Of a
        predictor a frame or MultimodalData.
    by : {"modality", "variable"}, optional
        What is looked at together: by default modalities, or single variables where none has one.
        Variables without a modality are never looked at beside those that have one.
    modalities : mapping of str to sequence of str, or sequence of str, optional
        The variables of each modality, in the place of the network's own; of a predictor the names.
    groups : sequence or str, optional
        What each row belongs to, or the column of the frame that says so: standard errors are over
        groups. By default those of MultimodalData.
    structure : LearnedStructure, optional
        Its ``confidence`` in arcs is that of the graph of modalities.
    method : {"auto", "exact", "samples"}
        How a network is asked about itself.
    draws : int, optional
        How many rows are drawn; by default from 1,000 to 20,000, the fewer the more sets there are.
    generator : torch.Generator, optional
        Of draws; by default one of seed 0.

    Raises
    ------
    UnknownVariableError, LearningError, EvidenceError
        If there is no such target, a row lacks it, or data do not fit the model.
    MmgraphError
        If there is no modality, one is called like the target, the target has no states, a
        predictor comes without data, an option has no use, rows have weights, or ``exact`` does
        not fit.

    Examples
    --------
    >>> mm.analyse_modalities(net, "diagnosis").to_frame()            # doctest: +SKIP
    >>> mm.analyse_modalities(classifier, "activity", held_out_rows)  # doctest: +SKIP
    """
    generator = generator or torch.Generator().manual_seed(0)
    check_choice("method", method, get_args(Method), MmgraphError)
    if draws is not None:
        check_count(draws, "draws")
        if draws == 1:
            raise MmgraphError("a single draw tells nothing of the noise; draw more")
    own = {"method": None if method == "auto" else method, "draws": draws}
    if not isinstance(model, BayesianNetwork):
        check_unused({"by": by, "structure": structure} | own, "a predictor")
        return _of_predictor(model, target, data, modalities, groups)
    if modalities is not None and not isinstance(modalities, Mapping):
        raise MmgraphError("modalities of a network are a mapping, of each its variables")
    if data is None:
        check_unused({"groups": groups}, "a network without data")
    else:
        check_unused(own, "a network that is asked about data")
    model.variable(target)
    members = variables_by_modality(model, target, by, modalities)
    listed = {name for some in members.values() for name in some}
    check_names(tuple(members), target, model.variables.keys() - listed)
    network = NetworkBeliefs(model, target, members)
    names = tuple(members)
    sets = (
        _own_sets(network, names, method, draws, generator)
        if data is None
        else _sets_of_rows(network, names, data, groups)
    )
    arcs = model.edges if structure is None else structure.edges
    confidence = getattr(structure, "confidence", None)
    graph = modality_graph(members, target, arcs, model, confidence)

    def tests(row: Any) -> tuple[Any, dict[Any, Any]]:
        return network_tests(network, row, torch.Generator().manual_seed(0))

    return _analysis(target, network.states, names, sets, graph, tests)


def analyse_predictions(
    target: str,
    states: Sequence[Label],
    predicted: Mapping[Iterable[str], Beliefs],
    codes: Int64[np.ndarray, " rows"],
    groups: Int64[np.ndarray, " rows"] | None = None,
) -> ModalityAnalysis:
    """Return what modalities tell by predictions that are there, as of held-out rows.

    Parameters
    ----------
    target : str
    states : sequence of labels
    predicted : mapping of tuple of str to array (rows, states)
        Probabilities by the modalities looked at: of each single one and of all together, and of
        all sets where Shapley values are wanted.
    codes : array (rows,)
        The state in each row.
    groups : array (rows,), optional
        Which rows belong together.

    Raises
    ------
    MmgraphError
        If a single modality, all but one or all together are not predicted (which), a table has
        another shape, a code is no state (of which row), or groups are not one a row.
    """
    codes = checked_codes(codes, len(states))
    beliefs = {}
    for members, table in predicted.items():
        if isinstance(members, str):
            raise MmgraphError(f"predictions are by tuples of modalities, not by {members!r}")
        what = f"the prediction from {' + '.join(members)}"
        beliefs[frozenset(members)] = numbers = float_array(table, what, MmgraphError)
        if numbers.shape != (len(codes), len(states)):
            raise MmgraphError(
                f"{what} has shape {numbers.shape}, not one of {len(codes)} rows and "
                f"{len(states)} states"
            )
    order = sorted(predicted, key=lambda members: -len(tuple(members)))  # of the whole set
    names = tuple(dict.fromkeys(name for members in order for name in members))
    for members in _sets_asked(names, few=True):
        if members and members not in beliefs:
            raise MmgraphError(f"there is no prediction from {' + '.join(sorted(members))}")
    check_names(names, target)
    check_varied(target, states, codes)
    beliefs[frozenset()] = _shares(codes, len(states))
    sets = RowSets(
        names, beliefs, codes, None if groups is None else checked_groups(groups, len(codes))
    )
    return _analysis(target, tuple(states), names, sets, _star(names, target, sets), None)


def _of_predictor(
    model: Any, target: str, data: object, modalities: Any, groups: object
) -> ModalityAnalysis:
    if isinstance(model, str | os.PathLike):
        raise MmgraphError(f"{str(model)!r} is to be read first: mm.read({str(model)!r})")
    if not callable(getattr(model, "predict_proba", None)):
        raise MmgraphError(
            f"a {type(model).__name__} is no Bayesian network, and has no predict_proba"
        )
    if data is None:
        raise MmgraphError("what a predictor tells is asked of rows: name data with the target")
    predictor = PredictorBeliefs(model, target, modalities, data)
    check_names(predictor.names, target)
    sets = _sets_of_rows(predictor, predictor.names, data, groups)
    return _analysis(
        target,
        predictor.states,
        predictor.names,
        sets,
        _star(predictor.names, target, sets),
        partial(predictor_tests, predictor, sets),
    )


def _own_sets(
    network: NetworkBeliefs,
    names: tuple[str, ...],
    method: str,
    draws: int | None,
    generator: torch.Generator,
) -> AllSets:
    """The figures of a network about itself."""
    if method == "exact" and len(names) > MOST_SOURCES:
        raise MmgraphError(
            f"{len(names)} modalities have too many sets for method='exact', which takes up to "
            f"{MOST_SOURCES}"
        )
    if method != "samples" and len(names) <= MOST_SOURCES:
        table = network.table(names)
        if table is not None:
            return TableSets(table, names)
    if method == "exact":
        raise MmgraphError(
            "the joint distribution of target and modalities is too large, or a variable has no "
            "states; method='samples' draws from it"
        )
    asked = _sets_asked(names)
    count = draws or min(20_000, max(1_000, 400_000 // len(asked)))
    rows = network.draws(count, generator)
    return RowSets(names, _believed(network, rows, count, asked))


def _sets_of_rows(
    model: NetworkBeliefs | PredictorBeliefs, names: tuple[str, ...], data: Any, groups: object
) -> RowSets:
    """The figures of a model's answers to rows of data."""
    if isinstance(groups, str):
        if not is_frame(data) or groups not in data.columns:
            raise UnknownVariableError(f"the rows are no frame with a column '{groups}' of groups")
        groups, data = data[groups], data.drop(columns=groups)
    check_no_weights(data)
    rows, codes = model.read(data)
    check_varied(model.target, model.states, codes)
    belongs = None
    if groups is not None:
        belongs = checked_groups(groups, len(codes))
    elif isinstance(data, ModalityRows) and data.groups is not None:
        belongs = data.groups.codes
    beliefs = _believed(model, rows, len(codes), _sets_asked(names))
    beliefs[frozenset()] = _shares(codes, len(model.states))
    return RowSets(names, beliefs, codes, belongs)


def _believed(
    model: NetworkBeliefs | PredictorBeliefs, rows: Any, count: int, asked: Sequence[Members]
) -> dict[Members, Beliefs]:
    check_required(
        f"what is believed of {count} rows by {len(asked)} sets of modalities",
        8 * count * len(asked) * (len(model.states) + 3),
        default_memory_budget(),
        "Take fewer rows",
    )
    return {members: model.beliefs(rows, members) for members in asked}


def _sets_asked(names: Sequence[str], few: bool = False) -> list[Members]:
    """All sets of up to 12 modalities; else nothing, each alone, all but one, and all."""
    every = frozenset(names)
    if len(names) <= MOST_SOURCES and not few:
        sizes = range(len(names) + 1)
        return [frozenset(c) for size in sizes for c in combinations(names, size)]
    some = [frozenset(), *(frozenset([n]) for n in names), *(every - {n} for n in names), every]
    return list(dict.fromkeys(some))


def _shares(codes: Int64[np.ndarray, " rows"], states: int) -> Beliefs:
    """The shares of the states, in every row."""
    shares = np.bincount(codes, minlength=states) / len(codes)
    return np.tile(shares, (len(codes), 1))


def _star(names: Sequence[str], target: str, sets: AllSets) -> nx.DiGraph:
    """The graph of a model that says nothing of how modalities hang together."""
    graph: nx.DiGraph = nx.DiGraph()
    for name in names:
        told = sets.figures[frozenset([name])].information.value
        graph.add_edge(name, target, arcs=[], strength=max(told, 0.0), confidence=None)
    return graph


def _analysis(
    target: str,
    states: tuple[Label, ...],
    names: tuple[str, ...],
    sets: AllSets,
    graph: nx.DiGraph,
    tests: Tests | None,
) -> ModalityAnalysis:
    every = frozenset(names)
    without = {name: {every: 1.0, every - {name}: -1.0} for name in names}
    given_others = {n: sets.combined("information", w) for n, w in without.items()}
    loss = {
        name: Loss(
            sets.combined("accuracy", weights),
            sets.combined("information", {s: w * float(np.log(2)) for s, w in weights.items()}),
            sets.figures[every - {name}].calibration_error - sets.figures[every].calibration_error,
        )
        for name, weights in without.items()
    }
    is_whole = len(sets.figures) == 2 ** len(names)
    shares = shapley_weights(names) if is_whole else {}
    return ModalityAnalysis(
        target,
        states,
        names,
        *sets.basis,
        sets.target_entropy,
        sets.figures,
        given_others,
        {str(n): sets.combined("information", w) for n, w in shares.items()} if is_whole else None,
        loss,
        pair_decompositions(sets, names) if is_whole else {},
        _o_information(sets, names),
        graph,
        tests,
    )


def _o_information(sets: AllSets, names: Sequence[str]) -> float | None:
    if isinstance(sets, TableSets):
        return o_information(sets.table)
    if len(names) != 2:
        return None
    told = {s: figures.information.value for s, figures in sets.figures.items()}
    return sum(told[frozenset([n])] for n in names) - told[frozenset(names)]
