"""Pictures that several kinds of ready models share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mmgraph.comparison.cross_validation import CrossValidation
from mmgraph.plots import confusion_matrix, reliability_diagram, save

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def save_figures(directory: Path, figures: Mapping[str, Figure], suffix: str = "") -> list[str]:
    """Write figures under their names, and return the files written."""
    paths = {directory / f"{name}{suffix}.png": figure for name, figure in figures.items()}
    for path, figure in paths.items():
        save(figure, path)
    return [str(path) for path in paths]


def calibration_figures(
    split: CrossValidation, tables: Mapping[str, np.ndarray], confusions: Mapping[str, str]
) -> dict[str, Figure]:
    """Return a reliability diagram of all situations, and confusion matrices of some."""
    target, codes = split.data.target, split.data.codes[split.tested]
    title = split.titled(f"Calibration of {target.name}")
    figures = {"reliability": reliability_diagram(codes, tables, title=title)}
    for name, situation in confusions.items():
        title = split.titled(f"{target.name} given {situation}")
        figures[name] = confusion_matrix(
            codes, tables[situation].argmax(1), target.labels, title=title
        )
    return figures
