"""What an analysis of modalities found: figures, decompositions, a graph, what to acquire next."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import networkx as nx

from mmgraph.causal.modalities.estimate import Estimate
from mmgraph.causal.modalities.information.partial_information import PartialInformation
from mmgraph.causal.modalities.information.value_of_information import (
    ValueOfInformation,
    value_of_information,
)
from mmgraph.causal.modalities.set_figures import Members, SetFigures
from mmgraph.graph.errors import MmgraphError, needs
from mmgraph.graph.state_labels import Label
from mmgraph.graph.storage.whole_files import write_text

Tests = Callable[[Any], tuple[Any, dict[Any, Any]]]
"""From a row what is believed of the target, and what each modality that it lacks would say."""


class Loss(NamedTuple):
    """What is lost when a modality is missing: accuracy, nats of log-loss, calibration."""

    accuracy: Estimate
    log_loss: Estimate
    calibration_error: float


@dataclass(frozen=True, eq=False, repr=False)
class ModalityAnalysis:
    """What each modality, and each set of them, tells of a target.

    Attributes
    ----------
    target : str
    states : tuple of labels
        Of the target.
    names : tuple of str
        The modalities, or the variables.
    method : {"exact", "samples", "data"}
        Exact by the model's joint distribution, by draws from the model, or by rows of data.
    rows, groups : int or None
        How many rows, and groups of rows that belong together, noise is over.
    entropy : float
        Of the target, in bits: what there is to tell.
    sets : dict of frozenset of str to SetFigures
        By the modalities that are looked at: all sets of up to 12; of more single ones, all, and
        all but one.
    given_others : dict of str to Estimate
        What a modality tells when all others are known, in bits.
    shapley : dict of str to Estimate, or None
        How what all tell is shared among them; None of more than 12.
    missing : dict of str to Loss
        What is lost without a modality.
    pairs : dict of (str, str) to PartialInformation
        What is redundant, unique and synergistic in two modalities (BROJA), those that tell most
        first; atoms add up to the information in ``sets``, or to zero where that is negative.
        Beliefs by many outcomes, by draws and by rows are in cells of near ones, which say how much
        of the lesser information is redundant. None of more than 12 modalities, and of fewer than
        20 rows of data a state.
    o_information : float or None
        Of the modalities and the target: positive where redundancy prevails. None where there is
        no exact joint distribution of more than two.
    graph : networkx.DiGraph
        See :func:`~mmgraph.causal.modalities.modality_graph.modality_graph`.
    """

    target: str
    states: tuple[Label, ...]
    names: tuple[str, ...]
    method: Literal["exact", "samples", "data"]
    rows: int | None
    groups: int | None
    entropy: float
    sets: dict[Members, SetFigures]
    given_others: dict[str, Estimate]
    shapley: dict[str, Estimate] | None
    missing: dict[str, Loss]
    pairs: dict[tuple[str, str], PartialInformation]
    o_information: float | None
    graph: nx.DiGraph
    _tests: Tests | None = field(default=None)

    @property
    def information(self) -> dict[str, Estimate]:
        """What each modality alone tells, in bits."""
        return {name: self.sets[frozenset([name])].information for name in self.names}

    @property
    def whole(self) -> SetFigures:
        """The figures of all modalities together."""
        return self.sets[frozenset(self.names)]

    def acquire(
        self,
        row: object,
        costs: Mapping[str, float] | None = None,
        lookahead: int | None = 1,
        utility: object = None,
    ) -> ValueOfInformation:
        """Return what it is worth to acquire each modality that a row lacks.

        Parameters
        ----------
        row : mapping, data frame or MultimodalData
            One row, by what it has; of a predictor a frame or MultimodalData.
        costs : mapping of str to float, optional
            Of modalities, in units of utility.
        lookahead : int or None
            How many modalities ``policy`` acquires at most, each chosen by what came before; None
            for all.
        utility : array (actions, states), optional
            What each action yields in each state of the target; by default bits of information.

        Returns
        -------
        ValueOfInformation
            ``best`` is the modality to acquire next by ``policy``; ``perfect`` what the target
            itself would be worth. Of a network exact where tables fit, else of draws given the row.
            Of a predictor what a modality would say is counted in the rows of the analysis, and
            taken to be independent of other modalities given the target.

        Raises
        ------
        MmgraphError
            If the analysis is of predictions without a model, the row says what the target is, or
            as :func:`~mmgraph.value_of_information`.
        """
        if self._tests is None:
            raise MmgraphError(
                "what to acquire is asked of a model: this analysis is of predictions alone"
            )
        prior, tests = self._tests(row)
        lacking = {name for key in tests for name in ((key,) if isinstance(key, str) else key)}
        had = set(self.names) - lacking  # costs of which count nothing
        asked = {name: cost for name, cost in (costs or {}).items() if name not in had}
        return value_of_information(prior, utility, tests, asked, lookahead)

    def to_frame(self, of: Literal["modalities", "sets", "states", "pairs"] = "modalities") -> Any:
        """Return a data frame of figures, each with its standard error.

        Parameters
        ----------
        of : {"modalities", "sets", "states", "pairs"}
            A line a modality: ``information`` alone and ``given_others``, ``shapley``, and what is
            lost without it. A line a set of modalities; its information by the target's state; or
            the decompositions, a line a pair.

        Raises
        ------
        MissingExtraError
            If pandas is not installed.
        """
        with needs("data", "pandas", "a data frame"):
            import pandas
        makers = {
            "modalities": ("modality", self._modality_lines),
            "sets": ("set", self._set_lines),
            "states": ("state", self._state_lines),
            "pairs": ("pair", self._pair_lines),
        }
        if of not in makers:
            raise MmgraphError(f"a frame is of {', '.join(makers)}, not of {of!r}")
        first, make = makers[of]
        lines = [_in_columns(line) for line in make()]
        return pandas.DataFrame(lines, columns=None if lines else [first]).set_index(first)

    def _modality_lines(self) -> list[dict[str, Any]]:
        kinds = {"information": self.information, "given_others": self.given_others}
        if self.shapley is not None:
            kinds["shapley"] = self.shapley
        return [
            {"modality": name}
            | {kind: estimates[name] for kind, estimates in kinds.items()}
            | {f"{kind}_lost": lost for kind, lost in self.missing[name]._asdict().items()}
            for name in self.names
        ]

    def _set_lines(self) -> list[dict[str, Any]]:
        return [
            {
                "set": " + ".join(figures.members) or "nothing",
                "information": figures.information,
                "accuracy": figures.accuracy,
                "log_loss": figures.log_loss,
                "calibration_error": figures.calibration_error,
            }
            for figures in self.sets.values()
        ]

    def _state_lines(self) -> list[dict[str, Any]]:
        shown = [f for f in self.sets.values() if len(f.members) in (1, len(self.names))]
        return [
            {"state": str(state)} | {" + ".join(f.members): f.by_state[place] for f in shown}
            for place, state in enumerate(self.states)
        ]

    def _pair_lines(self) -> list[dict[str, Any]]:
        return [
            {
                "pair": f"{a}, {b}",
                "redundant": atoms.redundant,
                "unique_first": atoms.unique[0],
                "unique_second": atoms.unique[1],
                "synergy": atoms.synergy,
                "gap": atoms.gap,
            }
            for (a, b), atoms in self.pairs.items()
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return all figures as JSON can hold them."""
        return {
            "target": self.target,
            "states": [str(state) for state in self.states],
            "modalities": list(self.names),
            "method": self.method,
            "rows": self.rows,
            "groups": self.groups,
            "entropy": self.entropy,
            "sets": [
                {"modalities": list(f.members)}
                | {kind: _plain(v) for kind, v in vars(f).items() if kind != "members"}
                for f in self.sets.values()
            ],
            "given_others": _plain(self.given_others),
            "shapley": _plain(self.shapley),
            "missing": {name: _plain(loss._asdict()) for name, loss in self.missing.items()},
            "pairs": [
                {"modalities": list(pair), **vars(atoms)} for pair, atoms in self.pairs.items()
            ],
            "o_information": self.o_information,
            "graph": [{"from": a, "to": b, **edge} for a, b, edge in self.graph.edges(data=True)],
        }

    def to_json(self, path: str | os.PathLike[str] | None = None) -> str:
        """Return :meth:`to_dict` as JSON, and write it to a file if one is named."""
        text = json.dumps(self.to_dict(), indent=2, allow_nan=False) + "\n"
        if path is not None:
            write_text(Path(path), text)
        return text

    def __repr__(self) -> str:
        noise = {
            "exact": "exact, by the model's joint distribution",
            "samples": f"by {self.rows} draws from the model",
            "data": f"by {self.rows} rows"
            + (f" in {self.groups} groups" if self.groups is not None else ""),
        }[self.method]
        width = max(len(name) for name in (*self.names, "modality"))
        head = f"  {'modality':<{width}}  {'alone':>14}  {'given others':>14}  {'Shapley':>14}"
        lines = [
            f"What modalities tell of '{self.target}' ({self.entropy:.3f} bits), {noise}:",
            head + f"  {'accuracy lost':>14}",
        ]
        for name in self.names:
            share = "" if self.shapley is None else str(self.shapley[name])
            lines.append(
                f"  {name:<{width}}  {self.information[name]!s:>14}  "
                f"{self.given_others[name]!s:>14}  {share:>14}  "
                f"{self.missing[name].accuracy!s:>14}"
            )
        whole = self.whole
        lines.append(
            f"  together {whole.information} bits; accuracy {whole.accuracy}, log-loss "
            f"{whole.log_loss}, calibration error {whole.calibration_error:.3f}"
        )
        for (a, b), atoms in list(self.pairs.items())[:6]:
            lines.append(
                f"  {a} and {b}: redundant {atoms.redundant:.3f}, {a} alone {atoms.unique[0]:.3f}, "
                f"{b} alone {atoms.unique[1]:.3f}, synergy {atoms.synergy:.3f}"
            )
        if self.pairs and self.method == "data":
            lines.append(
                "  (in pairs bits of log-loss are parted by counts of rows in cells of beliefs)"
            )
        return "\n".join(lines)


def _plain(figures: Any) -> Any:
    """Figures with estimates as mappings."""
    if isinstance(figures, Estimate):
        return figures._asdict()
    if isinstance(figures, dict):
        return {name: _plain(figure) for name, figure in figures.items()}
    return [_plain(figure) for figure in figures] if isinstance(figures, tuple) else figures


def _in_columns(line: dict[str, Any]) -> dict[str, Any]:
    """A line of a frame, each estimate as two columns."""
    columns: dict[str, Any] = {}
    for name, figure in line.items():
        if isinstance(figure, Estimate):
            columns[name] = figure.value
            columns[f"{name}_standard_error"] = figure.standard_error
        else:
            columns[name] = figure
    return columns
