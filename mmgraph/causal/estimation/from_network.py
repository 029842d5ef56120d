"""Effects in a network, exactly: a question costs what a query of it costs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from itertools import product
from typing import Any

from mmgraph.causal.counterfactuals.nested import effect_through
from mmgraph.causal.estimation import wording
from mmgraph.causal.estimation.effect import Effect
from mmgraph.causal.estimation.estimators.contrast import Contrast, contrast, words
from mmgraph.causal.estimation.mediated import no_mediated_effect, with_parts
from mmgraph.causal.estimation.question import MEDIATED, EffectQuestion, check_strata
from mmgraph.causal.graph.causal_graph import CausalGraph
from mmgraph.graph.errors import CausalError, ZeroProbabilityError
from mmgraph.graph.leaves.linear_gaussian import LinearGaussian
from mmgraph.inference.query import query
from mmgraph.networks.bayesian_network import BayesianNetwork

_METHOD = "exact inference in the network"


def effect_in_network(asked: EffectQuestion, network: BayesianNetwork) -> Effect:
    """Return an effect from the tables and densities of a network.

    Raises
    ------
    CausalError, UnknownStateError, EvidenceError
        If the question does not fit the network, or tables do not say a mediated effect.
    ZeroProbabilityError
        If what is given is impossible.
    """
    start = time.perf_counter()
    compared = contrast(
        network.variables, asked.outcome, asked.do, asked.baseline, asked.scores, asked.controls
    )
    if asked.by:
        effect = _by_strata(asked, compared, network)
    elif asked.kind in MEDIATED:
        effect = _mediated(asked, compared, network)
    else:
        effect = _effect(asked, compared, network)
    return replace(effect, seconds=time.perf_counter() - start)


def _mean(
    network: BayesianNetwork, compared: Contrast, do: Mapping[str, Any], given: Mapping[str, Any]
) -> float:
    """The mean of the outcome where some variables are set, and others observed then."""
    name = compared.outcome.name
    answer = query(network.do(do), dict(given), [name])
    if compared.scores is None:
        return float(answer.mean(name)[0])
    return float(answer.marginals[name][0].double().cpu() @ compared.scores)


def _effect(asked: EffectQuestion, compared: Contrast, network: BayesianNetwork) -> Effect:
    settings = (compared.active, compared.baseline)
    means = [_mean(network, compared, states, asked.given) for states in settings]
    return Effect(
        kind=asked.kind,
        estimate=means[0] - means[1],
        method=_METHOD,
        estimand=wording.in_words(asked.kind, compared, (), asked.given),
        latex=wording.query(compared, asked.given, (), asked.kind),
        means={words(states): mean for states, mean in zip(settings, means, strict=True)},
    )


def _by_strata(asked: EffectQuestion, compared: Contrast, network: BayesianNetwork) -> Effect:
    if asked.kind in MEDIATED:
        raise CausalError("mediated effects by stratum: ask for each with given={…}")
    kind = "conditional" if asked.kind == "average" else asked.kind
    parts = {}
    check_strata(network.variables, asked.by)
    for states in product(*(network.variable(name).labels for name in asked.by)):
        stratum = dict(zip(asked.by, states, strict=True))
        question = replace(asked, by=(), given=dict(asked.given) | stratum, kind=kind)
        # A stratum that never occurs has no effect; if none does, what is given is impossible.
        with suppress(ZeroProbabilityError):
            parts[words(stratum)] = _effect(question, compared, network)
    if not parts:
        return _effect(asked, compared, network)
    return Effect(
        kind=kind,
        estimate=None,
        method=_METHOD,
        estimand=wording.in_words(kind, compared, (), asked.given),
        latex=wording.query(compared, asked.given, (), kind),
        parts=parts,
    )


def _mediated(asked: EffectQuestion, compared: Contrast, network: BayesianNetwork) -> Effect:
    if not asked.through:
        return no_mediated_effect(asked, compared)
    if len(compared.treatments) != 1:
        raise CausalError("a mediated effect is that of one treatment")
    real = [n for n, v in network.variables.items() if not v.is_discrete]
    numbers = (_by_lines if real else _by_tables)(asked, compared, network)
    parts = {
        name: Effect(
            kind="average" if name == "total" else name,
            estimate=number,
            method=_METHOD,
            estimand=wording.in_words(name, compared, mediators, asked.given),
            latex=wording.query(compared, asked.given, mediators, name),
        )
        for name, number, mediators in zip(
            ("total", "natural direct", "natural indirect"),
            numbers,
            ((), asked.through, asked.through),
            strict=True,
        )
    }
    return with_parts(asked, compared, parts)


def _by_tables(
    asked: EffectQuestion, compared: Contrast, network: BayesianNetwork
) -> tuple[float, float, float]:
    """Total, natural direct and indirect effect, summed over the states of the outcome."""
    (treatment,) = compared.treatments
    assert compared.scores is not None
    total = direct = indirect = 0.0
    given: list[Any] = [({}, dict(asked.given))] if asked.given else []
    for label, score in zip(compared.outcome.labels, compared.scores.tolist(), strict=True):
        if score == 0:
            continue
        effects = effect_through(
            network,
            treatment,
            compared.outcome.name,
            list(asked.through),
            compared.baseline[treatment],
            compared.active[treatment],
            label,
            given,
        )
        total += score * effects.total_effect
        direct += score * effects.natural_direct
        indirect += score * effects.natural_indirect
    return total, direct, indirect


def _by_lines(
    asked: EffectQuestion, compared: Contrast, network: BayesianNetwork
) -> tuple[float, float, float]:
    """The same where all causes of the outcome are linear: mediators are set to their means."""
    (treatment,) = compared.treatments
    name = compared.outcome.name
    graph = CausalGraph(list(network.variables), network.edges)
    for cause in graph.subgraph(graph.ancestors([name])).nodes:
        is_linear = isinstance(network.distribution(cause), LinearGaussian)
        if not is_linear and cause != treatment:
            raise CausalError(
                f"'{cause}' has states or a density of its own beside continuous variables: what "
                "runs through mediators is computed in networks of states alone, or of linear "
                "Gaussian variables; from rows (data=, --data) it is estimated in others, too"
            )
    if asked.given:
        raise CausalError("mediated effects of continuous variables are averages: nothing is given")

    def mean(own: Mapping[str, Any], other: Mapping[str, Any]) -> float:
        under = query(network.do(other), None, list(asked.through))
        held = {mediator: float(under.mean(mediator)[0]) for mediator in asked.through}
        return _mean(network, compared, {**own, **held}, {})

    active, baseline = compared.active, compared.baseline
    untouched = mean(baseline, baseline)
    return (
        mean(active, active) - untouched,
        mean(active, baseline) - untouched,
        mean(baseline, active) - untouched,
    )
