"""The pictures of a land-cover run: the labels beside the truth, and how uncertain they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from mmgraph.experiments.land_cover.experiment import Scene, Situation, cloud
from mmgraph.experiments.land_cover.splits import Split
from mmgraph.plots import label_map, uncertainty_map
from mmgraph.plots.figures import INK, new_figure
from mmgraph.plots.label_maps import class_colours, name_classes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mmgraph.experiments.land_cover.declaration import LandCoverDeclaration

_PANEL = 3.6

_COLOURS = (
    "#3CB44B", "#FFE119", "#F58231", "#E6194B", "#AAFFC3", "#469990", "#FABED4", "#4363D8",
    "#911EB4", "#808000", "#BFA6E8", "#42D4F4", "#9A6324", "#004D1A", "#800000", "#000075",
)  # fmt: skip
"""Colours far apart, after Trubetskoy, "List of 20 simple, distinct colors" (2017)."""


def situation_figure(
    declaration: LandCoverDeclaration,
    scene: Scene,
    split: Split,
    maps: Mapping[str, np.ndarray],
    situation: Situation,
    seed: int,
) -> Figure:
    """Return truth with legend, training pixels, each method's labels, and the field's entropy."""
    training = np.full(scene.labels.size, -1)
    training[split.train] = scene.labels.reshape(-1)[split.train]
    names = {
        "pixelwise": "by its spectrum alone",
        "windows": "by mean spectra",
        declaration.field.name: "Markov random field",
    }
    given = " and ".join(situation.given)
    hidden = f", {situation.missing} hidden within the line" if situation.missing else ""
    count = len(scene.classes)
    colours = _COLOURS if count <= len(_COLOURS) else class_colours(count)
    figure = new_figure(3 * _PANEL + 2.4, 2 * _PANEL + 0.6)
    panels = figure.subplots(2, 3).ravel()
    drawn = {
        "truth": scene.labels,
        "training pixels": training.reshape(scene.labels.shape),
        **{title: maps[situation.key(method)] for method, title in names.items()},
    }
    places = (*panels[:2], *panels[3:])
    for panel, (title, labels) in zip(places, drawn.items(), strict=True):
        label_map(panel, labels, scene.classes, legend=False, colours=colours[:count], title=title)
    uncertainty_map(panels[2], maps[situation.key("entropy")], title="uncertainty of the field")
    if situation.missing is not None:
        covered = cloud(scene.labels.shape, declaration.cloud.share, seed)
        for panel in panels:
            for colour, width in (("white", 3.0), (INK, 1.2)):
                panel.contour(covered, levels=[0.5], colors=[colour], linewidths=width)
    named = dict(zip(scene.classes, colours, strict=False))
    name_classes(figure, named, unlabelled=True, loc="outside right center", fontsize=10)
    figure.suptitle(f"given {given}{hidden}", color=INK, fontsize=13)
    return figure
