"""What a question about an effect is answered with: the number, how sure, and on what grounds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mmgraph.causal.estimation.estimators.violations import Violation
from mmgraph.graph.errors import CausalError, needs

if TYPE_CHECKING:
    import pandas

Bounds = tuple[float, float]
_UNKNOWN = "not identifiable"


@dataclass(frozen=True, repr=False)
class Effect:
    """The effect of setting variables, as a difference of the outcome's mean.

    Of an outcome with states the mean is that of its scores, or the probability of one state.

    Attributes
    ----------
    kind : str
        ``average``, ``conditional``, ``controlled direct``, ``natural direct``,
        ``natural indirect`` or ``through``.
    estimate : float or None
        None where the effect is not identifiable, or only bounded.
    method : str
        How the number came about; ``not identifiable`` where there is none.
    estimand : str
        What was estimated, in words.
    latex : str
        The same as a formula.
    standard_error : float or None
        None where the answer is exact, or not a number.
    interval : (float, float) or None
        Of the confidence ``level``; ends may be infinite where an instrument is weak.
    level : float
    interval_method : str
        ``analytical``, ``percentile``, ``BCa`` or ``Anderson-Rubin``; empty where exact.
    bounds : (float, float) or None
        Where the effect cannot be told, what it cannot leave.
    means : dict of str to float
        The mean of the outcome under each intervention.
    parts : dict of str to Effect
        Of a mediated effect ``total``, ``natural direct`` and ``natural indirect``; of an effect
        asked for by strata one for each.
    adjustment : tuple of str
        The variables adjusted for.
    assumptions : tuple of str
        What the answer rests on beyond the graph, a sentence each.
    violations : tuple of Violation
        Strata without one of the treatments.
    rows : int or None
        How many rows were used; None where the answer is exact.
    set_rows : int
        How many more were left out, as something was set in them.
    effective_sample_size : float or None
        Kish's, of the weights that balance the treatments.
    diagnostics : dict of str to float
        ``first_stage_f`` of an instrument; ``smallest_probability`` of a treatment.
    seconds : float
    """

    kind: str
    estimate: float | None
    method: str
    estimand: str
    latex: str
    standard_error: float | None = None
    interval: Bounds | None = None
    level: float = 0.95
    interval_method: str = ""
    bounds: Bounds | None = None
    means: dict[str, float] = field(default_factory=dict)
    parts: dict[str, Effect] = field(default_factory=dict)
    adjustment: tuple[str, ...] = ()
    assumptions: tuple[str, ...] = ()
    violations: tuple[Violation, ...] = ()
    rows: int | None = None
    set_rows: int = 0
    effective_sample_size: float | None = None
    diagnostics: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def identifiable(self) -> bool:
        """Whether graph and data determine the effect."""
        return self.estimate is not None or bool(self.parts)

    def __float__(self) -> float:
        """Return the estimate.

        Raises
        ------
        CausalError
            If there is none: the effect is not identifiable, or has bounds alone.
        """
        if self.estimate is None:
            known = "" if self.bounds is None else f"; it lies in {_range(self.bounds)}"
            raise CausalError(f"{self.estimand} is no number: {self.method}{known}")
        return self.estimate

    @property
    def share(self) -> float:
        """The part of the total effect that a mediated one is; of no total effect a CausalError."""
        total = self.parts.get("total")
        if total is None or not float(total):
            raise CausalError(f"{self.estimand}: there is no total effect that it could be part of")
        return float(self) / float(total)

    def record(self) -> dict[str, Any]:
        """Return the answer as numbers and texts, as JSON has them."""
        return {
            "kind": self.kind,
            "estimate": self.estimate,
            "standard_error": self.standard_error,
            "interval": None if self.interval is None else list(self.interval),
            "level": self.level,
            "interval_method": self.interval_method,
            "bounds": None if self.bounds is None else list(self.bounds),
            "method": self.method,
            "estimand": self.estimand,
            "latex": self.latex,
            "means": dict(self.means),
            "adjustment": list(self.adjustment),
            "assumptions": list(self.assumptions),
            "violations": [
                {
                    "stratum": {n: str(s) for n, s in v.stratum.items()},
                    "treatment": {n: str(s) for n, s in v.treatment.items()},
                    "share": v.share,
                }
                for v in self.violations
            ],
            "rows": self.rows,
            "set_rows": self.set_rows,
            "effective_sample_size": self.effective_sample_size,
            "diagnostics": dict(self.diagnostics),
            "parts": {name: part.record() for name, part in self.parts.items()},
            "seconds": self.seconds,
        }

    def to_frame(self) -> pandas.DataFrame:
        """Return a row for the effect and one for each of its parts."""
        with needs("data", "pandas", "a data frame of effects"):
            import pandas
        rows = [({} if self.estimate is None and self.parts else {"": self}), self.parts]
        named = {name: effect for part in rows for name, effect in part.items()}
        return pandas.DataFrame(
            {
                "effect": [name or self.kind for name in named],
                "estimate": [e.estimate for e in named.values()],
                "standard_error": [e.standard_error for e in named.values()],
                "lower": [(e.bounds or (None,))[0] for e in named.values()],
                "upper": [(e.bounds or (None,))[-1] for e in named.values()],
                "low": [(e.interval or e.bounds or (None,))[0] for e in named.values()],
                "high": [(e.interval or e.bounds or (None,))[-1] for e in named.values()],
                "rows": [e.rows for e in named.values()],
                "method": [e._short_method for e in named.values()],
            }
        )

    def __repr__(self) -> str:
        by = "" if self._short_method == _UNKNOWN else "by "
        lines = [f"{self.estimand}: {self._number()}", f"  {by}{self.method}"]
        if self.adjustment:
            lines[-1] += f", adjusted for {', '.join(self.adjustment)}"
        if self.rows is not None:
            lines[-1] += f", {self.rows} rows"
            if self.effective_sample_size is not None:
                lines[-1] += f" (as good as {self.effective_sample_size:.0f})"
        if self.set_rows:
            lines[-1] += f"; {self.set_rows} in which something was set are left out"
        lines += [f"  {name}: {mean:.4g}" for name, mean in self.means.items()]
        lines += [f"  {name}: {part._number()}" for name, part in self.parts.items()]
        lines += [
            f"  {name.replace('_', ' ')}: {number:.4g}" for name, number in self.diagnostics.items()
        ]
        lines += [f"  assumes that {text}" for text in self.assumptions]
        lines += [f"  {violation}" for violation in self.violations]
        return "\n".join(lines)

    @property
    def _short_method(self) -> str:
        """The method, without what stands in the way of one."""
        return _UNKNOWN if self.method.startswith(_UNKNOWN) else self.method

    def _number(self) -> str:
        """The estimate with its interval, or the bounds, in a few words."""
        if self.estimate is None:
            if self.bounds is None:
                return "by stratum" if self.parts else self._short_method
            text = f"in {_range(self.bounds)}"
            if self.interval is None:
                return text
            return f"{text}, with {100 * self.level:g}% intervals {_range(self.interval)}"
        text = f"{self.estimate:.4g}"
        if self.interval is not None:
            text += f", {100 * self.level:g}% interval {_range(self.interval)}"
        return text


def _range(ends: Bounds) -> str:
    return f"[{ends[0]:.4g}, {ends[1]:.4g}]"
