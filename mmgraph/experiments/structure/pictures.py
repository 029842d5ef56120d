"""The picture of an effect: shares of levels, predicted and measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mmgraph.plots.figures import INK, PALETTE, as_chart, legend, name_axes, panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def effect_figure(effect: Mapping[str, Any]) -> Figure:
    """Return the shares of the outcome's levels without and with an experiment, as bars."""
    parts = {f"predicted by the {name}": shares for name, shares in effect["predicted"].items()}
    parts["measured"] = effect["measured"]
    figure, axes = panels(len(parts), len(parts), 4.2 * len(parts), 3.4)
    places = np.arange(len(effect["levels"]))
    for panel, (title, shares) in zip(axes, parts.items(), strict=True):
        for number, when in enumerate(("without", "with")):
            panel.bar(
                places + 0.4 * number - 0.2,
                shares[when],
                0.38,
                color=PALETTE[(0, 5)[number]],
                label=f"{when} {effect['experiment']}",
            )
        panel.set_xticks(places, effect["levels"])
        panel.set_ylim(0, 1)
        panel.set_title(title, color=INK, fontsize=11)
        name_axes(panel, effect["outcome"], "share of rows")
        as_chart(panel)
    legend(axes[0], fontsize=9)
    return figure
