"""Effects as the lines of a page: the number, its interval or bounds, and how it came about."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from mmgraph.causal.counterfactuals.mediation import MediationEffects
from mmgraph.causal.estimation.effect import Effect
from mmgraph.causal.modalities.estimate import Estimate
from mmgraph.graph.errors import MmgraphError


class EffectLine(NamedTuple):
    """An effect: its value, if there is one, the ends of what it lies in, and the method."""

    name: str
    value: float | None
    low: float | None
    high: float | None
    method: str

    @property
    def estimate(self) -> Estimate | None:
        """What is drawn: None where there are bounds alone."""
        if self.value is None:
            return None
        spread = None if self.low is None or self.high is None else self.high - self.low
        return Estimate(self.value, spread, self.low, self.high)


def effect_lines(
    effects: Mapping[str, Effect | MediationEffects | float],
) -> Iterator[EffectLine]:
    """Yield a line for each effect, and for each part that it is decomposed into.

    Raises
    ------
    MmgraphError
        If one is neither an effect nor a finite number (which).
    """
    for name, effect in effects.items():
        if isinstance(effect, Effect):
            yield from _lines(name, effect)
        elif isinstance(effect, MediationEffects):
            for part in ("total_effect", "natural_direct", "natural_indirect"):
                words = part.replace("_", " ")
                yield EffectLine(f"{name}: {words}", getattr(effect, part), None, None, "exact")
        else:
            yield EffectLine(name, _number(name, effect), None, None, "")


def _lines(name: str, effect: Effect) -> Iterator[EffectLine]:
    if effect.estimate is not None or not effect.parts:
        ends = effect.interval or effect.bounds or (-math.inf, math.inf)
        low, high = (end if math.isfinite(end) else None for end in ends)
        yield EffectLine(name, effect.estimate, low, high, effect.method)
    for part, inner in effect.parts.items():
        yield from _lines(f"{name}: {part}", inner)


def _number(name: str, effect: object) -> float:
    try:
        number = float(effect)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise MmgraphError(f"'{name}' is no effect, nor a finite number: {effect!r}")
    return number
