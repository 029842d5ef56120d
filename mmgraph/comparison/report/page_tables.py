"""The tables of a comparison's page, each cell with what it is sorted by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from mmgraph.comparison.report.compared_figures import PRIOR, ComparedFigures, Given
from mmgraph.comparison.report.differences import METRICS, Difference
from mmgraph.comparison.report.robustness import DISTURBANCES, Curve
from mmgraph.comparison.results import Answers, Condition, Failure
from mmgraph.plots.pages.wording import counted

REFITTED = Condition("refitted")
MOST_LINES = 150
"""Of a table on the page."""
_MOST_PAIRS = 28
_FIGURES = {
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro-F1",
    "brier_score": "Brier score",
    "auroc": "AUROC",
    "average_precision": "average precision",
}


class Cell(NamedTuple):
    """What a cell shows, and what it is sorted by; empty ones come last."""

    text: str
    value: float | str
    is_text: bool = False


@dataclass(frozen=True)
class PageTable:
    """A table whose columns can be sorted."""

    caption: str
    heads: Sequence[str]
    rows: Sequence[Sequence[Cell]]

    def without_empty(self) -> PageTable:
        """Return the table without columns that have nothing in any row."""
        full = [place for place in range(len(self.heads)) if any(r[place].text for r in self.rows)]
        rows = [[row[place] for place in full] for row in self.rows]
        return PageTable(self.caption, [self.heads[place] for place in full], rows)


def main_table(figures: ComparedFigures, split: str) -> PageTable:
    """Return the figures of each model given everything, the best first."""
    heads = ["model", "family", "log-loss", "accuracy", "floored"]
    return PageTable(
        f"Given {_given(figures.all_modalities)}",
        heads,
        [
            [
                _model(row),
                text(row["family"]),
                _interval(figures, one, "log_loss"),
                _interval(figures, one, "accuracy"),
                number(row["floored_probabilities"], "d"),
            ]
            for one in figures.answers_given_all(split)
            for row in [figures.row(one)]
        ],
    )


def more_figures_table(figures: ComparedFigures, split: str) -> PageTable:
    """Return the other figures of each model given everything, the best first."""
    rows = map(figures.row, figures.answers_given_all(split))
    lines = [[text(row["model"]), *(_with_error(row, key) for key in _FIGURES)] for row in rows]
    return PageTable("Other figures", ["model", *_FIGURES.values()], lines).without_empty()


def recording_table(figures: ComparedFigures, split: str) -> PageTable:
    """Return the figures of recordings given everything, where rows are windows of them."""
    keys = {"log_loss": "log-loss", "accuracy": "accuracy", **_FIGURES}
    asked = figures.answers_given_all(split) if figures.has_recordings(split) else []
    rows = sorted(map(figures.row_of_recordings, asked), key=lambda row: float(row["log_loss"]))
    lines = [[_model(row), *(_with_error(row, key) for key in keys)] for row in rows]
    return PageTable(
        "Recordings, pooled from windows", ["model", *keys.values()], lines
    ).without_empty()


def subset_lines(figures: ComparedFigures, split: str) -> list[list[Cell]]:
    """Return a line for each model given fewer modalities, by one fit and fitted to them."""
    lines = []
    for given in figures.sets(split):
        if given == figures.all_modalities:
            continue
        for model in figures.models:
            one = figures.find(model, split, given)
            refitted = figures.find(model, split, given, REFITTED)
            if one is not None and model != PRIOR:
                lines.append(_subset(figures, given, one, refitted))
    return lines


def subset_table(lines: Sequence[Sequence[Cell]]) -> PageTable:
    """Return the table of :func:`subset_lines`."""
    heads = [
        *("given", "model", "log-loss", "accuracy", "fitted to these: log-loss", "accuracy"),
        *("log-loss higher by", "verdict"),
    ]
    return PageTable(
        "One fit, asked of fewer modalities", heads, lines[:MOST_LINES]
    ).without_empty()


def _subset(
    figures: ComparedFigures, given: Given, one: Answers, refitted: Answers | None
) -> list[Cell]:
    row = figures.row(one)
    line = [text(_given(given)), _model(row), *_loss_and_accuracy(row)]
    if refitted is None or refitted.failed_folds or one.failed_folds:
        return [*line, *[Cell("", "")] * 3, text("")]
    apart = figures.difference(one, refitted)
    verdict = {1: "one fit is better", -1: "one fit is worse", 0: "cannot be told apart"}
    return [
        *line,
        *_loss_and_accuracy(figures.row(refitted)),
        _apart(apart),
        text(verdict[apart.verdict]),
    ]


def pairs(figures: ComparedFigures, split: str) -> list[tuple[Answers, Answers]]:
    """Return all pairs of models but the prior given everything or, of many, each with the best."""
    ranked = [one for one in figures.ranked(split) if one.model != PRIOR]
    every = [(a, b) for place, b in enumerate(ranked) for a in ranked[place + 1 :]]
    return every if len(every) <= _MOST_PAIRS else [(a, ranked[0]) for a in ranked[1:]]


def difference_table(figures: ComparedFigures, split: str) -> PageTable:
    """Return how models differ given everything, in log-loss and accuracy."""
    heads = [
        *("a", "b", "metric", "a − b", "p (corrected t)"),
        *("P(a better)", "P(equivalent)", "P(b better)", "verdict, by the interval"),
    ]
    lines = []
    for metric in METRICS:
        for a, b in pairs(figures, split):
            apart = figures.difference(a, b, metric)
            verdict = {1: f"{apart.a} is better", -1: f"{apart.b} is better"}
            lines.append(
                [
                    *(text(apart.a), text(apart.b), text(metric.replace("_", "-"))),
                    _apart(apart),
                    *map(number, (apart.p_value, apart.better, apart.equivalent, apart.worse)),
                    text(verdict.get(apart.verdict, "cannot be told apart")),
                ]
            )
    return PageTable(f"Given {_given(figures.all_modalities)}", heads, lines)


def robustness_table(found: Sequence[Curve]) -> PageTable:
    """Return relative and effective robustness of each model to each disturbance."""
    heads = ["model", "modality", "disturbed by", "relative robustness", "effective robustness"]
    return PageTable(
        "Robustness",
        heads,
        [
            [
                *(text(c.model), text(c.modality), text(DISTURBANCES[c.kind])),
                *map(number, (c.relative_robustness, c.effective_robustness)),
            ]
            for c in found[:MOST_LINES]
        ],
    ).without_empty()


def calibration_table(figures: ComparedFigures, split: str) -> PageTable:
    """Return the calibration errors of models given everything, and the parts of Brier scores."""
    keys = {
        "expected_calibration_error": "calibration error",
        "expected_calibration_error_by_chance_95": "by chance up to",
        "debiased_calibration_error": "debiased",
        "brier_score": "Brier score",
        "brier_reliability": "its reliability",
        "brier_resolution": "its resolution",
    }
    rows = map(figures.row, figures.answers_given_all(split))
    lines = [[_model(row), *(number(row[key]) for key in keys)] for row in rows]
    return PageTable("Calibration", ["model", *keys.values()], lines)


def cost_table(figures: ComparedFigures, split: str) -> PageTable:
    """Return what models cost."""
    front = figures.pareto_front(split)
    heads = ["model", "CPU s a fit", "rows/s", "peak memory (MB)", "parameters", "Pareto front"]
    lines = []
    for row in map(figures.row, figures.answers_given_all(split)):
        peak = row["peak_bytes"]
        lines.append(
            [
                _model(row),
                _seconds(row["train_seconds"]),
                number(row["rows_per_second"], ",.0f"),
                number(None if peak is None else peak / 1e6, ",.0f"),
                number(row["parameters"], ",.0f"),
                text("yes" if row["model"] in front else ""),
            ]
        )
    measured = any(cell.text for line in lines for cell in line[1:])
    return PageTable("Costs", heads, lines if measured else []).without_empty()


def settings_table(figures: ComparedFigures, split: str) -> PageTable:
    """Return the settings that inner folds have chosen, with in how many folds."""
    lines = []
    for one in figures.answers_given_all(split):
        tried = len(figures.about.settings.get(one.model, ()))
        chosen = Counter(map(setting_words, one.settings))
        if tried > 1 or any(one.settings):
            told = "; ".join(f"{words} ({counted(n, 'fold')})" for words, n in chosen.items())
            lines.append([text(one.model), number(tried or None, "d"), text(told)])
    return PageTable("Chosen by inner folds", ["model", "tried", "chosen"], lines)


def failure_table(failures: Sequence[Failure]) -> PageTable:
    """Return what ended with an error."""
    heads = ["model", "split", "fold", "given", "condition", "error"]
    lines = [
        [
            *(
                text(one.model),
                text(one.split),
                number(one.fold + 1, "d"),
                text(_given(one.given) if one.given else ""),
            ),
            *(text(condition_words(one.condition)), text(one.message)),
        ]
        for one in failures[:MOST_LINES]
    ]
    return PageTable("Errors", heads, lines)


def setting_words(settings: Mapping[str, object]) -> str:
    """Return settings as they are passed."""
    return ", ".join(f"{name} = {value}" for name, value in settings.items()) or "the defaults"


def condition_words(condition: Condition) -> str:
    """Return a condition in a few words, none of the plain one."""
    if condition.kind == "none":
        return ""
    level = f" {condition.level:g}" if condition.level else ""
    return f"{condition.kind}{level} {condition.modality}".strip()


def text(words: str) -> Cell:
    """Return a cell of words."""
    return Cell(words, words, True)


def number(value: float | None, form: str = ".3f") -> Cell:
    """Return a cell of a number, empty where there is none."""
    return Cell("", "") if value is None else Cell(format(value, form), value)


def _seconds(value: float | None) -> Cell:
    return number(value) if value is None else Cell(seconds_words(value), value)


def seconds_words(value: float) -> str:
    """Return seconds to three places that count."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _model(row: Mapping[str, Any]) -> Cell:
    """The name of a model, with in how many folds the shares of the classes stand in for it."""
    failed = row["failed_folds"]
    return text(f"{row['model']} (failed in {counted(failed, 'fold')})" if failed else row["model"])


def _given(given: Given) -> str:
    return " + ".join(given) or "nothing"


def _loss_and_accuracy(row: Mapping[str, Any]) -> tuple[Cell, Cell]:
    return number(row["log_loss"]), number(row["accuracy"])


def _interval(figures: ComparedFigures, one: Answers, key: str) -> Cell:
    value, ends = figures.row(one)[key], figures.interval(one, key)
    if ends is None:
        return number(value)
    return Cell(f"{value:.3f} ({ends[0]:z.3f} to {ends[1]:.3f})", value)


def _with_error(row: Mapping[str, Any], key: str) -> Cell:
    value, error = row[key], row[f"{key}_standard_error"]
    if value is None or error is None:
        return number(value)
    return Cell(f"{value:.3f} ± {error:.3f}", value)


def _apart(apart: Difference) -> Cell:
    words = f"{apart.difference:+z.3f} ({apart.low:+z.3f} to {apart.high:+z.3f})"
    return Cell(words, apart.difference)
