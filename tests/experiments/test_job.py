"""The skeleton of ready models: progress, kept steps, and the state of work that is interrupted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmgraph.experiments.job import Answer, Job, Step, StepProgress, fingerprint, run_job
from mmgraph.experiments.reader import ReadyModel
from mmgraph.experiments.stereo.declaration import CostDeclaration


class Counting(Job):
    """Two steps, the second of three parts, which can be interrupted after its first."""

    kind = "counting"

    def __init__(self, directory: Path | None, interrupted: bool = False) -> None:
        super().__init__(ReadyModel("counts", "Counts", "none"), directory)
        self.interrupted = interrupted
        self.taken: list[str] = []

    def arrays(self) -> list[np.ndarray]:
        return [np.arange(3)]

    def steps(self, limit: int | None) -> list[Step]:
        steps = [Step("one", "the first", self._one), Step("two", "", self._two, parts=3)]
        return steps[:limit]

    def _one(self, progress: StepProgress, scratch: Path | None) -> Answer:
        self.taken.append("one")
        return Answer({"x": np.arange(2)}, {"n": 1})

    def _two(self, progress: StepProgress, scratch: Path | None) -> Answer:
        self.taken.append("two")
        if scratch is not None:
            scratch.mkdir(parents=True, exist_ok=True)
            (scratch / "part").write_text("1")
        progress(1, "a part of the second")
        if self.interrupted:
            raise KeyboardInterrupt
        return Answer({"x": np.arange(4)})

    def report(self, answers: Mapping[str, Answer]) -> dict[str, Any]:
        return {"results": [{"sum": int(answer.arrays["x"].sum())} for answer in answers.values()]}

    def draw(self, directory: Path, answers: Mapping[str, Answer]) -> list[str]:
        return [str(directory / name) for name in answers]


def test_progress_counts_the_parts_of_all_steps():
    told: list[tuple[int, int, str]] = []
    report = run_job(Counting(None), progress=lambda *step: told.append(step))
    assert told == [(0, 4, "the first"), (2, 4, "a part of the second"), (4, 4, "report")]
    named = {"model": "counts", "title": "Counts", "kind": "counting"}
    assert report == {**named, "results": [{"sum": 1}, {"sum": 6}]}


def test_steps_are_kept_and_their_scratch_is_removed(tmp_path: Path):
    first = run_job(Counting(tmp_path))
    assert first["files"] == [str(tmp_path / "one"), str(tmp_path / "two")]
    assert [p.name for p in tmp_path.iterdir()] == ["steps"]
    again = Counting(tmp_path)
    assert run_job(again) == first
    assert again.taken == []
    assert run_job(Counting(tmp_path), limit=1)["results"] == first["results"][:1]


def test_an_interrupted_step_leaves_its_state_and_those_before_it(tmp_path: Path):
    with pytest.raises(KeyboardInterrupt):
        run_job(Counting(tmp_path, interrupted=True))
    assert [p.read_text() for p in (tmp_path / "checkpoints").rglob("part")] == ["1"]
    resumed = Counting(tmp_path)
    run_job(resumed)
    assert resumed.taken == ["two"]
    assert not (tmp_path / "checkpoints").exists()


def test_fingerprints_tell_declarations_and_data_apart():
    data = np.arange(6)
    base = fingerprint(CostDeclaration(8), [data])
    assert base == fingerprint(CostDeclaration(8), [data.copy()])
    assert base != fingerprint(CostDeclaration(9), [data])
    assert base != fingerprint(CostDeclaration(8), [data.reshape(2, 3)])
    assert base != fingerprint(CostDeclaration(8), [data + 1])
