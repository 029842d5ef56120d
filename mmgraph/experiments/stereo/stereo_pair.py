"""The job of a stereo pair: each pixel's disparity by itself, and all as one surface."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64

from mmgraph.experiments.job import Answer, Job, Step, StepProgress
from mmgraph.experiments.stereo.declaration import StereoDeclaration, read_stereo
from mmgraph.graph.errors import DatasetError, MmgraphError
from mmgraph.inference.query import map_query
from mmgraph.spatial.stereo import matching_cost, stereo_graph, winner_takes_all

WINNER_TAKES_ALL = "winner_takes_all"
_STEP = "search"


def share_bad(
    disparity: Int64[np.ndarray, "height width"],
    truth: Float[np.ndarray, "height width"],
    counted: Bool[np.ndarray, "height width"],
    tolerance: float,
) -> float:
    """Return the share of the pixels counted whose disparity is off by more than a tolerance."""
    if not counted.any():
        raise MmgraphError("no pixel with a known disparity is counted")
    return float((np.abs(disparity[counted] - truth[counted]) > tolerance).mean())


def load_pair(declaration: StereoDeclaration) -> Any:
    """Load the data set that a declaration names."""
    from mmgraph import datasets

    loaded: Any = datasets.load(declaration.dataset)
    if not all(hasattr(loaded, part) for part in ("left", "right", "disparity")):
        raise DatasetError(f"the data set '{declaration.dataset}' is no stereo pair")
    return loaded


def job(name: str | os.PathLike[str], directory: Path | None) -> StereoJob:
    """Return the job of a declaration."""
    declaration = read_stereo(name)
    return StereoJob(declaration, directory, load_pair(declaration))


class StereoJob(Job):
    """A stereo pair (``left``, ``right`` and the true ``disparity``), matched in one step.

    A row of the results has ``method``, ``bad_2px`` (or another tolerance), the same in the rows
    whose truth was not looked at, ``energy``, ``lower_bound``, ``gap`` and ``seconds``.
    """

    kind = "stereo"
    declaration: StereoDeclaration

    def __init__(self, declaration: StereoDeclaration, directory: Path | None, pair: Any) -> None:
        super().__init__(declaration, directory)
        self.pair = pair

    def arrays(self) -> Iterable[np.ndarray]:
        """Return both images."""
        return self.pair.left, self.pair.right

    def steps(self, limit: int | None) -> list[Step]:
        """Return the one step; there are no folds to choose from."""
        if limit is not None:
            raise MmgraphError("a stereo pair has no folds to choose from")
        return [Step(_STEP, "matching", self._search, parts=2)]

    def _search(self, progress: StepProgress, scratch: Path | None) -> Answer:
        """The disparity maps of both methods, and energies, bound, trace and seconds."""
        progress(0, "matching")
        start = time.perf_counter()
        costs = matching_cost(self.pair.left, self.pair.right, **asdict(self.declaration.cost))
        alone = winner_takes_all(costs)
        matched = time.perf_counter()
        graph = stereo_graph(costs, self.pair.left, **asdict(self.declaration.field))
        search = self.declaration.search

        def tell(iteration: int, energy: float, bound: float) -> None:
            progress(1, f"{search.method}, iteration {iteration}, energy {energy:.0f}")

        best = map_query(graph, method=search.method, iterations=search.iterations, progress=tell)
        done = time.perf_counter()
        assert best.lower_bound is not None
        energy = float(graph.energy({"disparity": torch.from_numpy(alone)})[0])
        notes = {
            "seconds": {WINNER_TAKES_ALL: matched - start, search.method: done - start},
            "energy": {WINNER_TAKES_ALL: energy, search.method: float(best.energy[0])},
            "lower_bound": float(best.lower_bound[0]),
            "iterations": best.iterations,
            "trace": [list(point) for point in best.trace],
        }
        maps = {WINNER_TAKES_ALL: alone, search.method: best["disparity"][0].numpy()}
        return Answer({m: d.astype(np.int16) for m, d in maps.items()}, notes)

    def report(self, answers: Mapping[str, Answer]) -> dict[str, Any]:
        """Return a row for each method."""
        (maps, notes), truth = answers[_STEP], self.pair.disparity
        known = np.isfinite(truth)
        unseen = known.copy()
        unseen[: self.declaration.report.unseen_from_row] = False
        tolerance, bound = self.declaration.report.tolerance, notes["lower_bound"]
        rows = []
        for method, energy in notes["energy"].items():
            disparity = maps[method].astype(np.int64)
            rows.append(
                {
                    "method": method,
                    f"bad_{tolerance:g}px": share_bad(disparity, truth, known, tolerance),
                    f"bad_{tolerance:g}px_unseen": share_bad(disparity, truth, unseen, tolerance),
                    "energy": energy,
                    "lower_bound": bound,
                    "gap": energy - bound,
                    "seconds": notes["seconds"][method],
                }
            )
        return {"results": rows}

    def draw(self, directory: Path, answers: Mapping[str, Answer]) -> list[str]:
        """Draw the disparity maps beside the truth, and the search."""
        from mmgraph.experiments.pictures import save_figures
        from mmgraph.inference.assignment import TracePoint
        from mmgraph.plots import disparity_maps, energy_trace

        maps, notes = answers[_STEP]
        planes = {"truth (grey: not known)": self.pair.disparity}
        planes |= {method.replace("_", " "): maps[method] for method in notes["energy"]}
        figures = {"disparity": disparity_maps(planes, image=self.pair.left)}
        if notes["trace"]:
            trace = [TracePoint(*point) for point in notes["trace"]]
            title = f"Search by {self.declaration.search.method}"
            figures["search"] = energy_trace(trace, title=title)
        return save_figures(directory, figures)
