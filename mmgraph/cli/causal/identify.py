"""The command that says whether what is observed determines an effect: identify."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from mmgraph.cli.causal.models import CausalModelName, Latent, read_causal_model
from mmgraph.cli.common import JsonOption, print_json, print_record
from mmgraph.graph.errors import CausalError


def identify(
    model: CausalModelName,
    do: Annotated[list[str], typer.Option(help="The variables that are set, one or several.")],
    on: Annotated[list[str], typer.Option(help="The outcomes, one or several.")],
    given: Annotated[
        list[str] | None, typer.Option(help="Variables that are observed then, one or several.")
    ] = None,
    latent: Latent = None,
    as_json: JsonOption = False,
) -> None:
    """Say whether P(outcome | do, given) follows from what is observed, and by which formula.

    With adjustment sets, front doors and instruments where there are any. Not to be identifiable
    is an answer: it tells which hidden causes forbid it.
    """
    causal = read_causal_model(model, latent)
    for option, names in (("--do", do), ("--on", on), ("--given", given or ())):
        for name in names:
            start, equals, end = name.partition("=")
            if equals and name not in causal.nodes and start in causal.nodes:
                raise CausalError(f"{option} {name}: identify asks for variables, without ={end}")
    answer = causal.identify(on, do, given or ())
    record: dict[str, Any] = {
        "model": model,
        "identifiable": answer.identifiable,
        "formula": str(answer),
        "latex": answer.latex(),
        "words": answer.words(),
        **_ways(causal, do, on, given),
    }
    if as_json:
        print_json(record)
        return
    del record["model"], record["latex"]
    print_record({name: _text(value) for name, value in record.items()})


def _ways(causal: Any, do: list[str], on: list[str], given: list[str] | None) -> dict[str, Any]:
    """Sets to adjust for, front doors and instruments, of an effect that nothing is given for."""
    if given:
        return {}
    from mmgraph.causal.adjustment.adjustment_sets import minimal_adjustment_set
    from mmgraph.causal.adjustment.front_door import front_door_set
    from mmgraph.causal.adjustment.instruments import instruments
    from mmgraph.causal.adjustment.optimal_set import optimal_adjustment_set

    graph = causal.graph
    sets = {
        "minimal_adjustment": minimal_adjustment_set(graph, do, on),
        "optimal_adjustment": optimal_adjustment_set(graph, do, on),
        "front_door": front_door_set(graph, do, on),
    }
    ways: dict[str, Any] = {
        name: None if found is None else [n for n in graph.nodes if n in found]
        for name, found in sets.items()
    }
    if len(do) == len(on) == 1:
        ways["instruments"] = [
            {"instrument": name, "given": [n for n in graph.nodes if n in conditions]}
            for name, conditions in instruments(graph, do[0], on[0])
        ]
    return ways


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if not isinstance(value, list):
        return str(value)
    if value and isinstance(value[0], dict):
        return "; ".join(
            way["instrument"] + (f" given {', '.join(way['given'])}" if way["given"] else "")
            for way in value
        )
    return ", ".join(value) or "nothing"
