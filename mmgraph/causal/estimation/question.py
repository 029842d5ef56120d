"""A question about an effect, its names checked against a causal graph."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mmgraph.causal.adjustment.back_door import Effect as PathsOf
from mmgraph.causal.estimation.estimators.contrast import outcome_of
from mmgraph.causal.graph.causal_graph import CausalGraph
from mmgraph.graph.errors import CausalError, UnknownVariableError, check_choice, suggestion
from mmgraph.graph.variable import Variable

KINDS = (
    "average",
    "conditional",
    "controlled direct",
    "natural direct",
    "natural indirect",
    "through",
)
MEDIATED = KINDS[3:]


@dataclass(frozen=True)
class EffectQuestion:
    """What is asked for; parameters are those of ``CausalModel.effect``."""

    graph: CausalGraph
    modalities: Mapping[str, str]
    outcome: str | Mapping[str, Any]
    do: str | Mapping[str, Any]
    baseline: Mapping[str, Any] | None = None
    given: Mapping[str, Any] = field(default_factory=dict)
    by: tuple[str, ...] = ()
    kind: str = "average"
    through: tuple[str, ...] = ()
    controls: Mapping[str, Any] = field(default_factory=dict)
    scores: Mapping[Any, float] | None = None

    @property
    def outcome_name(self) -> str:
        """The variable whose mean is compared."""
        return outcome_of(self.outcome)[0]

    @property
    def treatments(self) -> tuple[str, ...]:
        """The variables that are set, without those that a direct effect holds fixed."""
        return (self.do,) if isinstance(self.do, str) else tuple(self.do)

    @property
    def names(self) -> tuple[str, ...]:
        """All variables that the question names."""
        return tuple(
            dict.fromkeys(
                (self.outcome_name, *self.treatments, *self.given, *self.by, *self.controls)
            )
        )


def question(
    graph: CausalGraph,
    modalities: Mapping[str, str],
    outcome: str | Mapping[str, Any],
    do: str | Mapping[str, Any],
    *,
    latent: Collection[str] = (),
    kind: str = "average",
    through: object = None,
    given: Mapping[str, Any] | None = None,
    by: str | Sequence[str] = (),
    **more: Any,
) -> EffectQuestion:
    """Return a question whose names are nodes; ``latent`` are variables that nobody observes.

    Raises
    ------
    CausalError
        If a variable is latent or named twice, nothing is set, or kind and mediators do not fit.
    UnknownVariableError
        If a name is no node; with the nearest name.
    """
    check_choice("kind of effect", kind, KINDS, CausalError)
    if not isinstance(do, str | Mapping) or not do:
        raise CausalError(f"do says what is set, as in {{'x': 1}}, not {do!r}")
    for what, value in (("given", given), ("baseline", more.get("baseline"))):
        if not isinstance(value, Mapping | None):
            raise CausalError(f"{what} says states by variable, as in {{'z': 1}}, not {value!r}")
    if through is not None and kind == "average":
        kind = "through"
    if given and kind == "average":
        kind = "conditional"
    controls = dict(through) if isinstance(through, Mapping) else {}
    asked = EffectQuestion(
        graph,
        modalities,
        outcome,
        do,
        given=dict(given or {}),
        by=(by,) if isinstance(by, str) else tuple(by),
        kind=kind,
        controls=controls,
        **more,
    )
    _check_names(asked, latent)
    mediators: tuple[str, ...] = ()
    if kind == "controlled direct" and not controls:
        raise CausalError(
            "a controlled direct effect holds mediators at states: say through={'m': state}"
        )
    if kind in MEDIATED:
        if controls:
            raise CausalError(f"a {kind} effect sets no mediator; through names them alone")
        mediators = _mediators(asked, through, latent)
    return EffectQuestion(**{**vars(asked), "through": mediators})


def _check_names(asked: EffectQuestion, latent: Collection[str]) -> None:
    names = (asked.outcome_name, *asked.treatments, *asked.given, *asked.by, *asked.controls)
    _check_observed(asked.graph, names, latent)
    if asked.outcome_name in asked.treatments:
        raise CausalError(f"the effect of '{asked.outcome_name}' on itself is no question")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise CausalError(f"'{twice}' stands in two places of the question")


def _check_observed(graph: CausalGraph, names: Sequence[str], latent: Collection[str]) -> None:
    for name in names:
        if name in latent and name not in graph.nodes:
            raise CausalError(f"'{name}' is latent: nobody observes or sets it")
    graph.check_nodes(names, "the effect")


def _mediators(asked: EffectQuestion, through: Any, latent: Collection[str]) -> tuple[str, ...]:
    """The mediators by name, or of a modality those on causal paths; by default all of these."""
    graph = asked.graph
    on_paths = between(graph, asked.treatments, asked.outcome_name)
    if through is None:
        return tuple(n for n in graph.nodes if n in on_paths)
    listed: list[str] = []
    for name in [through] if isinstance(through, str) else list(through):
        if name in graph.nodes or name in latent:
            _check_observed(graph, [name], latent)
            if name == asked.outcome_name or name in asked.treatments:
                raise CausalError(f"'{name}' is no mediator: the question is about its effect")
            listed.append(name)
            continue
        variables = [n for n in graph.nodes if asked.modalities.get(n) == name]
        if not variables:
            known = [*graph.nodes, *asked.modalities.values()]
            hint = suggestion(name, known)
            raise UnknownVariableError(f"through names '{name}', no variable or modality{hint}")
        listed += variables
    return tuple(n for n in dict.fromkeys(listed) if n in on_paths)


def check_strata(variables: Mapping[str, Variable], names: Collection[str]) -> None:
    """Raise CausalError if a variable has no states to tell strata by."""
    for name in names:
        if not variables[name].is_discrete:
            raise CausalError(f"'{name}' is continuous, and has no strata: put it into bins")


def between(graph: CausalGraph, treatments: Collection[str], outcome: str) -> set[str]:
    """Return the nodes inside of directed paths from treatments to an outcome."""
    return set(graph.named(PathsOf.of(graph, treatments, outcome).causal)) - {outcome}
