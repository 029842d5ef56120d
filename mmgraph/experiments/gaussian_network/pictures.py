"""The pictures of a conditional Gaussian network beside its rivals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mmgraph.experiments.gaussian_network.fold import GIVEN, MEAN, MISSING, NETWORK, RIDGE
from mmgraph.plots.figures import INK, PALETTE, as_chart, legend, name_axes, panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Row = Mapping[str, Any]
_SPLITS = {"random": "random rows", "grouped": "whole experiments left out"}
_COLOURS = {GIVEN: PALETTE[0], MISSING: PALETTE[5]}
_MARKERS = {GIVEN: "o", MISSING: "D"}


def density_figure(results: Sequence[Row]) -> Figure:
    """Return the log-likelihood of each model, with its standard error, a panel a split."""
    splits = list(dict.fromkeys(row["split"] for row in results))
    rows = [row for row in results if row["log_likelihood"] is not None]
    models = list(dict.fromkeys(row["model"] for row in rows))[::-1]
    figure, axes = panels(len(splits), len(splits), 5.0 * len(splits), 3.4)
    for panel, split in zip(axes, splits, strict=True):
        for experiment in (GIVEN, MISSING):
            told = [r for r in rows if (r["split"], r["experiment"]) == (split, experiment)]
            if not told:
                continue
            panel.errorbar(
                [row["log_likelihood"] for row in told],
                [models.index(row["model"]) for row in told],
                xerr=[row["log_likelihood_standard_error"] or 0.0 for row in told],
                label=f"experiment {experiment}",
                color=_COLOURS[experiment],
                marker=_MARKERS[experiment],
                linestyle="none",
                capsize=3,
            )
        panel.set_yticks(range(len(models)), models)
        panel.locator_params(axis="x", nbins=6)
        panel.set_title(_SPLITS[split], color=INK, fontsize=11)
        name_axes(panel, "log-likelihood of a row, nats (more is better)", "")
        as_chart(panel)
    _legend_above(figure, axes[0])
    return figure


def imputation_figure(results: Sequence[Row]) -> Figure:
    """Return the error of each column imputed from the others, a panel a split."""
    splits = list(dict.fromkeys(row["split"] for row in results))
    figure, axes = panels(len(splits), len(splits), 5.0 * len(splits), 4.2)
    for panel, split in zip(axes, splits, strict=True):
        for number, (model, marker) in enumerate(((NETWORK, "D"), (RIDGE, "o"), (MEAN, "|"))):
            (row,) = (
                r
                for r in results
                if (r["split"], r["model"], r["experiment"]) == (split, model, MISSING)
            )
            errors = row["rmse_by_column"]
            columns = list(errors)[::-1]
            panel.plot(
                [errors[name] for name in columns],
                np.arange(len(columns)),
                label=model,
                color=PALETTE[(0, 1, 3)[number]],
                marker=marker,
                markersize=9 if marker == "|" else 6,
                linestyle="none",
            )
        panel.set_yticks(range(len(columns)), columns)
        panel.set_xlim(left=0)
        panel.set_title(_SPLITS[split], color=INK, fontsize=11)
        name_axes(panel, "error imputed from the others, standard deviations", "")
        as_chart(panel)
    _legend_above(figure, axes[0])
    return figure


def _legend_above(figure: Figure, panel: Any) -> None:
    """Write the legend of one panel, which holds for all, where no point can hide it."""
    handles, labels = panel.get_legend_handles_labels()
    place = {"loc": "outside upper center", "ncols": len(labels), "fontsize": 9}
    legend(figure, handles=handles, labels=labels, **place)
