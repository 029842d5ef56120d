"""An analysis as a page that a person is shown, one HTML file that needs nothing else."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmgraph.causal.modalities.analysis import ModalityAnalysis
from mmgraph.causal.modalities.estimate import Estimate
from mmgraph.experiments.analysis.pictures import (
    Picture,
    decomposition_bars,
    information_bars,
    interval_bars,
    modality_picture,
    state_bars,
    structure_picture,
)
from mmgraph.experiments.analysis.words import compared, in_words
from mmgraph.graph.errors import MmgraphError, needs
from mmgraph.graph.storage.whole_files import checked_suffix, write_text

if TYPE_CHECKING:
    from mmgraph.learning.structure.learned_structure import LearnedStructure

_TEMPLATE = Path(__file__).with_name("page.html.j2")
_MOST_SETS = 64


def write_report(
    analysis: ModalityAnalysis | Mapping[str, ModalityAnalysis],
    path: str | os.PathLike[str],
    *,
    title: str | None = None,
    effects: Mapping[str, Any] | None = None,
    what_if: Mapping[str, Sequence[float]] | None = None,
    structure: LearnedStructure | None = None,
) -> list[str]:
    """Write an analysis as a page, and beside it the same figures as JSON.

    The page is one file that works offline, prints, and reads on a telephone: a paragraph in words,
    bars of information with intervals, what is lost without each modality, decompositions, the
    graph of modalities; and, where they are given, effects, a table of what would be if, and a
    learned graph.

    Parameters
    ----------
    analysis : ModalityAnalysis, or mapping of str to ModalityAnalysis
        Several are compared: of random rows, and of whole groups left out.
    path : str or path
        A name that ends in ``.html``; the figures go to the same name in ``.json``.
    title : str, optional
    effects : mapping of str to Effect or number, optional
        What each effect is called: what has a ``value`` and, if known, ``low`` and ``high`` (or an
        ``interval`` of the two) is drawn with its interval.
    what_if : mapping of str to sequence of float, optional
        The distribution of the target under each intervention.
    structure : LearnedStructure, optional
        The graph of variables, with its confidence.

    Returns
    -------
    list of str
        The files written.

    Raises
    ------
    FormatError
        If the ending is another, or the place cannot be written.
    MmgraphError
        If a distribution has not one number for each state, or an effect has no value.
    MissingExtraError
        If jinja2 or matplotlib is not installed.
    """
    with needs("report", "jinja2", "a report"):
        import jinja2
    checked_suffix(path, (".html",))
    analyses = {"": analysis} if isinstance(analysis, ModalityAnalysis) else dict(analysis)
    if not analyses:
        raise MmgraphError("there is no analysis to report")
    first = next(iter(analyses.values()))
    title = title or f"Which modality tells of {first.target}"
    estimates = {name: _estimate(name, effect) for name, effect in (effects or {}).items()}
    table = {key: _distribution(key, row, first) for key, row in (what_if or {}).items()}
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    page = environment.from_string(_TEMPLATE.read_text(encoding="utf-8")).render(
        title=title,
        compared=compared(analyses),
        parts=[_part(name, one) for name, one in analyses.items()],
        effects=_effects(estimates),
        effect_rows=[(name, _shown(e), _ends(e)) for name, e in estimates.items()],
        states=[str(state) for state in first.states],
        what_if=table,
        structure=None if structure is None else structure_picture(structure),
    )
    content = {
        "title": title,
        "words": " ".join(filter(None, [*map(in_words, analyses.values()), compared(analyses)])),
        "analyses": {name or "analysis": one.to_dict() for name, one in analyses.items()},
        "effects": {name: e._asdict() for name, e in estimates.items()},
        "what_if": table,
        "arcs": [] if structure is None else _arcs(structure),
    }
    figures = Path(path).with_suffix(".json")
    write_text(Path(path), page)
    write_text(figures, json.dumps(content, indent=2, allow_nan=False) + "\n")
    return [str(path), str(figures)]


def _part(name: str, analysis: ModalityAnalysis) -> dict[str, Any]:
    """What the template shows of an analysis."""
    ordered = sorted(analysis.sets.values(), key=lambda f: (len(f.members), f.members))
    return {
        "name": name,
        "words": in_words(analysis),
        "graph": modality_picture(analysis),
        "bars": information_bars(analysis),
        "states": state_bars(analysis),
        "pairs": decomposition_bars(analysis),
        "missing": [
            (
                f"without {modality}",
                _shown(loss.accuracy, 100),
                _shown(loss.log_loss),
                f"{-loss.calibration_error:+.3f}",
            )
            for modality, loss in analysis.missing.items()
        ],
        "sets": [
            (
                " + ".join(f.members) or "nothing",
                _shown(f.information),
                _shown(f.accuracy),
                _shown(f.log_loss),
                f"{f.calibration_error:.3f}",
            )
            for f in ordered[:_MOST_SETS]
        ],
        "left_out": max(len(ordered) - _MOST_SETS, 0),
        "o_information": analysis.o_information,
    }


def _effects(estimates: Mapping[str, Estimate]) -> Picture | None:
    if not estimates:
        return None
    return interval_bars(
        list(estimates.items()), "effect", "Effects, with their intervals where they are known."
    )


def _estimate(name: str, effect: Any) -> Estimate:
    """An effect as an estimate: a number, or what has a value and the ends of an interval."""
    value = getattr(effect, "value", effect)
    ends = getattr(effect, "interval", None) or (
        getattr(effect, "low", None),
        getattr(effect, "high", None),
    )
    try:
        number, low, high = float(value), *(None if e is None else float(e) for e in ends)
    except (TypeError, ValueError):
        raise MmgraphError(f"the effect '{name}' has no value: {effect!r}") from None
    if low is None or high is None:
        return Estimate(number, None)
    return Estimate(number, getattr(effect, "standard_error", None) or high - low, low, high)


def _distribution(name: str, row: Sequence[float], analysis: ModalityAnalysis) -> list[float]:
    numbers = [float(number) for number in row]
    if len(numbers) != len(analysis.states):
        raise MmgraphError(
            f"'{name}' has {len(numbers)} numbers; {analysis.target} has "
            f"{len(analysis.states)} states"
        )
    return numbers


def _arcs(structure: LearnedStructure) -> list[dict[str, Any]]:
    confidence = structure.confidence or {}
    return [{"from": a, "to": b, "confidence": confidence.get((a, b))} for a, b in structure.edges]


def _shown(estimate: Estimate, scale: float = 1.0) -> str:
    places = 1 if scale == 100 else 3
    noise = ""
    if estimate.standard_error:
        noise = f" ± {scale * estimate.standard_error:.{places}f}"
    return f"{scale * estimate.value:z.{places}f}{noise}"


def _ends(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return ""
    return f"{estimate.low:.3f} to {estimate.high:.3f}"
