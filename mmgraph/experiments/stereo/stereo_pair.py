"""Run a stereo job: each pixel's disparity by itself, and all as one surface, against the truth."""

from __future__ import annotations

import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64

from mmgraph.experiments.kept_steps import KeptSteps, fingerprint
from mmgraph.experiments.progress import Progress
from mmgraph.experiments.stereo.declaration import StereoDeclaration, read_stereo
from mmgraph.graph.errors import DatasetError, MmgraphError
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.query import map_query
from mmgraph.spatial.stereo import matching_cost, stereo_graph, winner_takes_all

WINNER_TAKES_ALL = "winner_takes_all"


def share_bad(
    disparity: Int64[np.ndarray, "height width"],
    truth: Float[np.ndarray, "height width"],
    counted: Bool[np.ndarray, "height width"],
    tolerance: float,
) -> float:
    """Return the share of the pixels counted whose disparity is off by more than a tolerance.

    Raises
    ------
    MmgraphError
        If no pixel is counted.
    """
    if not counted.any():
        raise MmgraphError("no pixel with a known disparity is counted")
    return float((np.abs(disparity[counted] - truth[counted]) > tolerance).mean())


def load_pair(declaration: StereoDeclaration) -> Any:
    """Load the data set that a declaration names.

    Raises
    ------
    DatasetError
        If the data set cannot be had, or is no stereo pair with its disparity.
    """
    from mmgraph import datasets

    loaded: Any = datasets.load(declaration.dataset)
    if not all(hasattr(loaded, part) for part in ("left", "right", "disparity")):
        raise DatasetError(f"the data set '{declaration.dataset}' is no stereo pair")
    return loaded


def run(
    name: str | os.PathLike[str],
    output_directory: str | os.PathLike[str] | None = None,
    folds: int | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Run a stereo job; parameters and result are those of :func:`experiment.run`.

    A row of the results has ``method``, ``bad_2px`` (or another tolerance), the same in the rows
    whose truth was not looked at, ``energy``, ``lower_bound``, ``gap`` and ``seconds``.

    Raises
    ------
    MmgraphError
        If ``folds`` are asked for: there is one pair.
    """
    if folds is not None:
        raise MmgraphError("a stereo pair has no folds to choose from")
    began = time.perf_counter()
    declaration = read_stereo(name)
    pair = load_pair(declaration)
    directory = None if output_directory is None else Path(output_directory)
    steps = KeptSteps(directory, fingerprint(declaration, (pair.left, pair.right)))
    if progress:
        progress(0, 2, "matching")
    found = steps.read("search")
    if found is None:
        found = _searched(declaration, pair, progress)
        steps.write("search", *found)
    kept, notes = found
    maps = {method: kept[method] for method in notes["energy"]}
    if progress:
        progress(2, 2, "report")
    report: dict[str, Any] = {
        "model": declaration.name,
        "kind": "stereo",
        "results": _rows(declaration, pair, maps, notes),
    }
    if directory is not None:
        from mmgraph.experiments.stereo.pictures import draw_stereo

        report["files"] = draw_stereo(directory, pair, maps, notes["trace"])
    report["seconds"] = time.perf_counter() - began
    return report


def _searched(
    declaration: StereoDeclaration, pair: Any, progress: Progress | None
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The disparity maps of both methods, and energies, bound, trace and seconds."""
    start = time.perf_counter()
    costs = matching_cost(pair.left, pair.right, **asdict(declaration.cost))
    alone = winner_takes_all(costs)
    matched = time.perf_counter()
    graph = stereo_graph(costs, pair.left, **asdict(declaration.field))
    search = declaration.search

    def passed(iteration: int, energy: float, bound: float) -> None:
        if progress:
            progress(1, 2, f"{search.method}, iteration {iteration}, energy {energy:.0f}")

    best = map_query(graph, method=search.method, iterations=search.iterations, progress=passed)
    done = time.perf_counter()
    assert best.lower_bound is not None
    notes = {
        "seconds": {WINNER_TAKES_ALL: matched - start, search.method: done - start},
        "energy": {
            WINNER_TAKES_ALL: _energy(graph, alone),
            search.method: float(best.energy[0]),
        },
        "lower_bound": float(best.lower_bound[0]),
        "iterations": best.iterations,
        "trace": [list(point) for point in best.trace],
    }
    maps = {WINNER_TAKES_ALL: alone, search.method: best["disparity"][0].numpy()}
    return {m: d.astype(np.int16) for m, d in maps.items()}, notes


def _energy(graph: FactorGraph, disparity: Int64[np.ndarray, "height width"]) -> float:
    return float(graph.energy({"disparity": torch.from_numpy(disparity)})[0])


def _rows(
    declaration: StereoDeclaration, pair: Any, maps: dict[str, np.ndarray], notes: dict[str, Any]
) -> list[dict[str, Any]]:
    known = np.isfinite(pair.disparity)
    unseen = known.copy()
    unseen[: declaration.report.unseen_from_row] = False
    tolerance = declaration.report.tolerance
    rows = []
    for method in maps:
        disparity = maps[method].astype(np.int64)
        energy, bound = notes["energy"][method], notes["lower_bound"]
        rows.append(
            {
                "method": method,
                f"bad_{tolerance:g}px": share_bad(disparity, pair.disparity, known, tolerance),
                f"bad_{tolerance:g}px_unseen": share_bad(
                    disparity, pair.disparity, unseen, tolerance
                ),
                "energy": energy,
                "lower_bound": bound,
                "gap": energy - bound,
                "seconds": notes["seconds"][method],
            }
        )
    return rows
