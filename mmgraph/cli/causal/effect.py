"""The command that computes what an intervention changes: effect."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmgraph.cli.causal.models import CausalModelName, Latent, names_in, read_causal_model, settings
from mmgraph.cli.common import JsonOption, ReadOption, Seed, print_json, print_table, spread
from mmgraph.cli.evidence import reading
from mmgraph.graph.errors import CausalError

if TYPE_CHECKING:
    from mmgraph.causal.estimation.effect import Effect
    from mmgraph.causal.model import CausalModel


@dataclass(frozen=True)
class EffectOptions:
    """Options that say which effect is meant."""

    do: Annotated[
        list[str], typer.Option(help="NAME=STATE or NAME=NUMBER: what is set, one or several.")
    ]
    on: Annotated[
        list[str],
        typer.Option(help="The outcome: NAME for its mean, NAME=STATE for a probability."),
    ]
    baseline: Annotated[
        list[str] | None,
        typer.Option(help="What that is compared with; by default the other one of two states."),
    ] = None
    given: Annotated[
        list[str] | None, typer.Option(help="NAME=STATE: the part of the population meant.")
    ] = None
    by: Annotated[
        list[str] | None,
        typer.Option(help="Variables, with commas or one by one: the effect in each stratum."),
    ] = None
    through: Annotated[
        list[str] | None,
        typer.Option(
            help="Modalities or variables, with commas or one by one: what runs through them."
        ),
    ] = None

    def ask(self, model: CausalModel, **options: Any) -> Effect:
        """Return the effect in a model."""
        if len(self.on) > 1:
            raise CausalError(f"an effect has one outcome; --on names {', '.join(self.on)}")
        name, equals, state = self.on[0].partition("=")
        return model.effect(
            {name: state} if equals else name,
            settings(model, self.do, "--do"),
            settings(model, self.baseline, "--baseline") or None,
            settings(model, self.given, "--given") or None,
            through=names_in(self.through) or None,
            by=names_in(self.by),
            **options,
        )


@dataclass(frozen=True)
class DataOptions:
    """Options that say how an effect is estimated from rows."""

    data: Annotated[
        Path | None,
        typer.Option(help="A CSV or Parquet file of rows; by default the network is asked."),
    ] = None
    method: Annotated[
        str,
        typer.Option(
            help="auto, plug_in, regression, inverse_weighting, doubly_robust, front_door, formula "
            "or instrument."
        ),
    ] = "auto"
    empty: Annotated[
        str, typer.Option(help="Strata without one of the treatments: raise, drop or bounds.")
    ] = "raise"
    interval: Annotated[str, typer.Option(help="analytical, percentile or BCa.")] = "analytical"
    seed: Seed = 0
    read: ReadOption = None

    def options(self) -> dict[str, Any]:
        """Return these as ``CausalModel.effect`` takes them."""
        import torch

        from mmgraph.data.tables import open_table

        if self.data is None:
            if self.read:
                raise CausalError("--read says how a file is read, and there is no --data")
            for option, value, plain in (
                ("--empty", self.empty, "raise"),
                ("--interval", self.interval, "analytical"),
            ):
                if value != plain:
                    raise CausalError(f"{option} is of rows, and there is no --data")
            return {"method": self.method}
        return {
            "method": self.method,
            "empty": self.empty,
            "interval": self.interval,
            "generator": torch.Generator().manual_seed(self.seed),
            "data": open_table(self.data, **reading(self.read)),
        }


@spread
def effect(
    model: CausalModelName,
    question: EffectOptions,
    estimation: DataOptions,
    latent: Latent = None,
    as_json: JsonOption = False,
) -> None:
    """Compute what setting variables changes in an outcome: exactly, or from rows with an interval.

    From rows by whatever the graph allows: an adjustment set, a front door, the formula of
    `mmgraph identify`, or an instrument. Where it allows none, bounds are the answer.
    """
    causal = read_causal_model(model, latent)
    answer = question.ask(causal, **estimation.options())
    if as_json:
        print_json({"model": model, **answer.record()})
        return
    _print(answer)


def _print(answer: Effect) -> None:
    """Print a table of the effect and its parts, and below it what the answer rests on."""
    parts = {name: part for name, part in answer.parts.items() if part.estimate != answer.estimate}
    if answer.estimate is not None or not parts:
        parts = {answer.kind: answer, **parts}
    rows = [
        (
            name,
            "-" if part.estimate is None else part.estimate,
            "-" if part.interval is None else "[{:.4g}, {:.4g}]".format(*part.interval),
            "-" if part.bounds is None else "[{:.4g}, {:.4g}]".format(*part.bounds),
        )
        for name, part in parts.items()
    ]
    columns = ("", "effect", f"{100 * answer.level:g}% interval", "bounds")
    used = [i for i in range(4) if i < 2 or any(row[i] != "-" for row in rows)]
    print_table(
        [columns[i] for i in used], [[row[i] for i in used] for row in rows], answer.estimand
    )
    for line in repr(answer).splitlines()[1:]:
        if not any(line.startswith(f"  {name}: ") for name in answer.parts):
            typer.echo(line.strip())
