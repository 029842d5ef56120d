"""The pictures of a land-cover run: the labels beside the truth, and how uncertain they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mmgraph.comparison.land_cover_experiment import Scene, Situation, situations
from mmgraph.comparison.splits import Split
from mmgraph.plots import label_map, save, uncertainty_map
from mmgraph.plots.figures import INK, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mmgraph.comparison.land_cover_declaration import LandCoverDeclaration

_PANEL = 3.6


def draw_land_cover(
    directory: Path,
    declaration: LandCoverDeclaration,
    scene: Scene,
    first: Mapping[str, tuple[Split, Mapping[str, np.ndarray]]],
) -> list[str]:
    """Draw the first seed of each split, and return the files written.

    Parameters
    ----------
    directory : Path
        Made if it is not there; receives a picture for each split and situation.
    declaration, scene : LandCoverDeclaration, Scene
        What was run.
    first : mapping of str to (Split, mapping of str to ndarray)
        The pixels and the maps of the first seed of each split.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    directory.mkdir(parents=True, exist_ok=True)
    files = []
    for split_name, (split, maps) in first.items():
        for situation in situations(declaration):
            figure = _situation(declaration, scene, split, maps, situation)
            hidden = f"_without_{situation.missing}" if situation.missing else ""
            path = directory / f"{split_name}_{'_'.join(situation.given)}{hidden}.png"
            save(figure, path)
            files.append(str(path))
    return files


def _situation(
    declaration: LandCoverDeclaration,
    scene: Scene,
    split: Split,
    maps: Mapping[str, np.ndarray],
    situation: Situation,
) -> Figure:
    """Truth with legend, training pixels, what each method says, and the field's entropy."""
    training = np.full(scene.labels.size, -1)
    training[split.train] = scene.labels.reshape(-1)[split.train]
    names = {
        "pixelwise": "by its spectrum alone",
        "windows": "by mean spectra",
        declaration.field.name: "Markov random field",
    }
    given = " and ".join(situation.given)
    cloud = f", {situation.missing} missing in a part" if situation.missing else ""
    figure = new_figure(3 * _PANEL + 2.4, 2 * (_PANEL + 0.3) + 0.4)
    panels = figure.subplots(2, 3).ravel()
    label_map(panels[0], scene.labels, scene.classes, legend=False, title="truth")
    label_map(
        panels[1], training.reshape(scene.labels.shape), scene.classes, legend=False,
        title="training pixels",
    )  # fmt: skip
    uncertainty_map(panels[2], maps[situation.key("entropy")], title="uncertainty of the field")
    for panel, (method, title) in zip(panels[3:], names.items(), strict=True):
        label_map(panel, maps[situation.key(method)], scene.classes, legend=False, title=title)
    _legend(figure, scene.classes)
    figure.suptitle(f"given {given}{cloud}", color=INK, fontsize=13)
    return figure


def _legend(figure: Figure, classes: tuple[str, ...]) -> None:
    from matplotlib.patches import Patch

    from mmgraph.plots.label_maps import UNLABELLED, class_colours

    entries = [
        Patch(facecolor=colour, label=name)
        for name, colour in zip(classes, class_colours(len(classes)), strict=True)
    ]
    entries.append(Patch(facecolor=UNLABELLED, label="unlabelled"))
    figure.legend(
        handles=entries,
        loc="outside right center",
        frameon=False,
        labelcolor=INK,
        fontsize=10,
        handlelength=1.0,
        handleheight=1.0,
    )
