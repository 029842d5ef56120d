"""An analysis as a page that a person is shown, one HTML file that needs nothing else."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmgraph.causal.counterfactuals.mediation import MediationEffects
from mmgraph.causal.estimation.effect import Effect
from mmgraph.causal.modalities.analysis import ModalityAnalysis
from mmgraph.causal.modalities.estimate import Estimate
from mmgraph.experiments.analysis.effects import EffectLine, effect_lines
from mmgraph.experiments.analysis.pictures import (
    decomposition_bars,
    information_bars,
    interval_bars,
    modality_picture,
    state_bars,
    strongest,
    structure_picture,
)
from mmgraph.experiments.analysis.words import compared, in_words, unit, units
from mmgraph.graph.errors import MmgraphError
from mmgraph.graph.storage.whole_files import checked_suffix, write_text
from mmgraph.plots.pages.page import render
from mmgraph.plots.pages.picture import Picture

if TYPE_CHECKING:
    from mmgraph.learning.structure.learned_structure import LearnedStructure

_TEMPLATE = Path(__file__).with_name("page.html.j2")
_MOST_SETS = 64


def write_report(
    analysis: ModalityAnalysis | Mapping[str, ModalityAnalysis],
    path: str | os.PathLike[str],
    *,
    title: str | None = None,
    effects: Mapping[str, Effect | MediationEffects | float] | None = None,
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
        A name that ends in ``.html``; the figures go to the same name in ``.json``. What is there
        is replaced.
    title : str, optional
    effects : mapping of str to Effect, MediationEffects or float, optional
        By what they are called; their parts, direct and indirect, are shown as well.
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
        If a distribution has not one number for each state, or what stands for an effect is none.
    MissingExtraError
        If jinja2 or matplotlib is not installed.
    """
    checked_suffix(path, (".html",))
    analyses = {"": analysis} if isinstance(analysis, ModalityAnalysis) else dict(analysis)
    if not analyses:
        raise MmgraphError("there is no analysis to report")
    first = next(iter(analyses.values()))
    title = title or f"Which modality tells of {first.target}"
    lines = list(effect_lines(effects or {}))
    table = {key: _distribution(key, row, first) for key, row in (what_if or {}).items()}
    scale = max(map(strongest, analyses.values()))
    page = render(
        _TEMPLATE,
        title=title,
        compared=compared(analyses),
        parts=[_part(name, one, scale) for name, one in analyses.items()],
        effects=_effects(lines),
        effect_rows=[_cells(line) for line in lines],
        states=[str(state) for state in first.states],
        what_if=table,
        structure=None if structure is None else structure_picture(structure),
    )
    content = {
        "title": title,
        "words": " ".join(filter(None, [*map(in_words, analyses.values()), compared(analyses)])),
        "analyses": {name or "analysis": one.to_dict() for name, one in analyses.items()},
        "effects": [line._asdict() for line in lines],
        "what_if": table,
        "arcs": [] if structure is None else _arcs(structure),
    }
    figures = Path(path).with_suffix(".json")
    write_text(Path(path), page)
    write_text(figures, json.dumps(content, indent=2, allow_nan=False) + "\n")
    return [str(path), str(figures)]


def _part(name: str, analysis: ModalityAnalysis, scale: float) -> dict[str, Any]:
    """What the template shows of an analysis."""
    ordered = sorted(analysis.sets.values(), key=lambda f: (len(f.members), f.members))
    return {
        "name": name,
        "words": in_words(analysis),
        "unit": unit(analysis),
        "units": units(analysis),
        "graph": modality_picture(analysis, scale),
        "bars": information_bars(analysis),
        "states": state_bars(analysis),
        "pairs": decomposition_bars(analysis),
        "missing": [
            (
                f"without {modality}",
                _shown(loss.accuracy, 100),
                _shown(loss.log_loss),
                f"{loss.calibration_error:z.3f}",
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


def _effects(lines: Sequence[EffectLine]) -> Picture | None:
    drawn = [(line.name, line.estimate) for line in lines if line.estimate is not None]
    if not drawn:
        return None
    return interval_bars(drawn, "effect", "Effects, with intervals where they are known.")


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
    if estimate.standard_error and scale * estimate.standard_error >= 0.5 * 10**-places:
        noise = f" ± {scale * estimate.standard_error:.{places}f}"
    return f"{scale * estimate.value:z.{places}f}{noise}"


def _cells(line: EffectLine) -> tuple[str, str, str, str]:
    value = "not a number" if line.value is None else f"{line.value:z.3f}"
    known = [end for end in (line.low, line.high) if end is not None]
    ends = f"{known[0]:z.3f} to {known[1]:z.3f}" if len(known) == 2 else ""
    return line.name, value, ends, line.method
