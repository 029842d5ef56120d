"""Effects through a set of variables: worlds in which mediators have the values of other worlds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float64

from mmgraph.causal.counterfactuals import answers
from mmgraph.causal.counterfactuals.mediation import MediationEffects
from mmgraph.causal.counterfactuals.worlds import Do, ParallelWorlds, World
from mmgraph.graph.errors import CausalError
from mmgraph.graph.state_labels import number_spelled
from mmgraph.graph.variable import Variable
from mmgraph.networks.bayesian_network import BayesianNetwork


def effect_through(
    network: BayesianNetwork,
    treatment: str,
    outcome: str,
    mediators: Sequence[str] | str,
    control: object = 0,
    treated: object = 1,
    state: object = None,
    given: Sequence[World] = (),
) -> MediationEffects:
    """Return how much of an effect runs through a set of variables, and how much past them.

    All mediators together take the values that they would have under the other treatment. Where
    every variable is needed as it is in one world only, that is an ordinary query on the network
    whose edges are split between two treatments (path-specific effects, Avin, Shpitser and Pearl
    2005).

    Parameters
    ----------
    network : BayesianNetwork
        Of scalar discrete variables, without hidden causes but those among its variables.
    treatment, outcome : str
    mediators : str or sequence of str
        Variables, or modalities, which stand for their variables other than treatment and outcome.
    control, treated : state of the treatment
    state : state of the outcome, optional
        The effect on its probability; by default on the mean of the outcome's numeric labels.
    given : sequence of (do, event), optional
        What is known of the unit, such as ``[({}, {"age": "old"})]``.

    Raises
    ------
    CausalError
        If a variable is needed in two worlds at once (a recanting witness: which), so that tables
        do not say the effect, and :func:`mmgraph.counterfactual_bounds` bounds its terms; if
        treatment, outcome and mediators overlap; or if labels are no numbers and no state is asked.
    UnknownVariableError, UnknownStateError, ZeroProbabilityError
        As for :meth:`StructuralModel.probability`.
    """
    worlds = answers.worlds_of(network)
    listed = [mediators] if isinstance(mediators, str) else mediators
    names = _mediators(network, listed, (treatment, outcome))

    def outcome_given(do: Do) -> Float64[np.ndarray, " states"]:
        copies = answers.worlds_of(network)
        asked = (copies.copy_of(outcome, do), *copies.read(given, "given").codes)
        _check_one_copy_each(copies, asked)
        return answers.distribution_over(
            copies, answers.sliced_tables(network), [(outcome, do)], given
        )

    return mediated(worlds, outcome_given, (treatment, outcome, names), (control, treated), state)


def _mediators(network: BayesianNetwork, listed: Sequence[str], ends: tuple[str, str]) -> list[str]:
    """Variables as they are named, and those of modalities but the ends."""
    of_modality: dict[str, list[str]] = {}
    for variable in network.variables.values():
        if variable.modality is not None and variable.name not in ends:
            of_modality.setdefault(variable.modality, []).append(variable.name)
    parts = ([n] if n in network.variables else of_modality.get(n, [n]) for n in listed)
    return list(dict.fromkeys(name for part in parts for name in part))


def _check_one_copy_each(worlds: ParallelWorlds, asked: Sequence[str]) -> None:
    for variable, copies in worlds.copies_of(asked).items():
        if len(copies) > 1:
            raise CausalError(
                f"tables do not say this effect: '{variable}' is needed both as {copies[0]} and as "
                f"{copies[1]} (a recanting witness); counterfactual_bounds gives bounds"
            )


def mediated(
    worlds: ParallelWorlds,
    outcome_given: Callable[[Do], Float64[np.ndarray, " states"]],
    names: tuple[str, str, Sequence[str] | str],
    levels: tuple[object, object],
    state: object,
) -> MediationEffects:
    """Return natural effects from the outcome's distribution in nested worlds.

    Raises
    ------
    CausalError
        If treatment, outcome and mediators overlap, there are no mediators, or the levels of the
        treatment are the same.
    """
    treatment, outcome, mediators = names
    mediators = [mediators] if isinstance(mediators, str) else list(mediators)
    if not mediators:
        raise CausalError("an effect through no variable at all was asked for")
    everything = [treatment, outcome, *mediators]
    if len(set(everything)) < len(everything):
        twice = next(n for n in everything if everything.count(n) > 1)
        raise CausalError(f"'{twice}' cannot be two of treatment, outcome and mediators")
    for name in everything:
        worlds.copy_of(name, {})
    code = worlds.variables[treatment].code
    if code(levels[0]) == code(levels[1]):
        raise CausalError(f"the treatment '{treatment}' changes from {levels[0]!r} to itself")
    values = numeric_states(worlds.variables[outcome], state)

    def mean(level: object, other: object) -> float:
        nested: dict[str, object] = {treatment: level}
        if other != level:
            nested |= {m: {treatment: other} for m in mediators}
        return float(values @ outcome_given(nested))

    means = np.array([[mean(x, z) for z in levels] for x in levels])
    return MediationEffects(means)


def numeric_states(variable: Variable, state: object) -> Float64[np.ndarray, " states"]:
    """Return what is averaged: the numbers that a variable's labels are, or a state's indicator.

    Raises
    ------
    CausalError
        If a label is no number, and no state is named.
    """
    if state is not None:
        return (np.arange(variable.cardinality) == variable.code(state)).astype(float)
    numbers = [number_spelled(x) if isinstance(x, str) else x for x in variable.labels]
    if None in numbers:
        label = variable.labels[numbers.index(None)]
        raise CausalError(f"'{variable.name}' has the label {label!r}: name a state= of it instead")
    return np.array(numbers, float)
