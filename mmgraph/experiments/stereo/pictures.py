"""The pictures of a stereo run: the disparity maps beside the truth, and the search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmgraph.inference.assignment import TracePoint
from mmgraph.plots import disparity_maps, energy_trace, save


def draw_stereo(
    directory: Path, pair: Any, maps: Mapping[str, np.ndarray], trace: Sequence[Sequence[float]]
) -> list[str]:
    """Draw everything into a directory, made if it is not there, and return the files written.

    Parameters
    ----------
    directory : Path
        Receives ``disparity.png`` and ``search.png``.
    pair : object
        With ``left`` and the true ``disparity``.
    maps : mapping of str to ndarray
        The disparity map of each method.
    trace : sequence
        Seconds, energy and bound of the search.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    directory.mkdir(parents=True, exist_ok=True)
    planes = {"truth (grey: not known)": pair.disparity}
    planes.update({method.replace("_", " "): plane for method, plane in maps.items()})
    files = [directory / "disparity.png"]
    save(disparity_maps(planes, image=pair.left), files[0])
    if trace:
        method = list(maps)[-1]
        files.append(directory / "search.png")
        save(
            energy_trace([TracePoint(*point) for point in trace], title=f"Search by {method}"),
            files[-1],
        )
    return [str(file) for file in files]
