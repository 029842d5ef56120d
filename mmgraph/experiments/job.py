"""What a ready model does: load its data, take steps that are kept, and report them."""

from __future__ import annotations

import contextlib
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mmgraph.experiments.reader import ReadyModel
from mmgraph.learning.kept_steps import KeptSteps, digest

Progress = Callable[[int, int, str], None]
"""Called with the parts done, the parts in all, and what is being done."""

StepProgress = Callable[[int, str], None]
"""Called within a step with the parts of it that are done, and what is being done."""


class Answer(NamedTuple):
    """What a step answers: arrays by name, and notes that JSON can hold."""

    arrays: Mapping[str, np.ndarray]
    notes: Any = None


@dataclass(frozen=True)
class Step:
    """A part of a job that is kept, in a file of its name, as soon as it is done.

    ``run`` takes the progress within the step, of which a step of several parts reports each, and a
    directory for the state of work that may be interrupted (None where nothing is written). Where
    ``keeps`` is false, an answer of an earlier run will not do.
    """

    name: str
    text: str
    run: Callable[[StepProgress, Path | None], Answer]
    parts: int = 1
    keeps: bool = True


class Job(ABC):
    """A ready model with its data, and the directory where results and pictures go, if any."""

    kind: str
    """As declarations name it."""

    def __init__(self, declaration: ReadyModel, directory: Path | None) -> None:
        self.declaration, self.directory = declaration, directory

    @abstractmethod
    def arrays(self) -> Iterable[np.ndarray]:
        """Return the data that the answers depend on."""

    @abstractmethod
    def steps(self, limit: int | None) -> list[Step]:
        """Return the steps to take: of all folds, or of the first ones."""

    @abstractmethod
    def report(self, answers: Mapping[str, Answer]) -> dict[str, Any]:
        """Return ``results``, a list of rows, from the answers by step."""

    @abstractmethod
    def draw(self, directory: Path, answers: Mapping[str, Answer]) -> list[str]:
        """Draw pictures into a directory, and return the files written."""


def run_job(job: Job, limit: int | None = None, progress: Progress | None = None) -> dict[str, Any]:
    """Take the steps of a job that no earlier run has kept, and report all of them.

    Where it has a directory, steps are kept there, pictures drawn, and their ``files`` reported
    beside ``model``, ``title``, ``kind`` and ``results``.
    """
    steps = job.steps(limit)
    mark = fingerprint(job.declaration, job.arrays())
    store = KeptSteps(job.directory, mark)
    total = sum(step.parts for step in steps)
    done = 0

    def tell(part: int, text: str) -> None:
        if progress is not None:
            progress(done + part, total, text)

    answers: dict[str, Answer] = {}
    for step in steps:
        if step.parts == 1:
            tell(0, step.text)
        earlier = store.read(step.name) if step.keeps else None
        if earlier is not None:
            answers[step.name] = Answer(*earlier)
        else:
            with _scratch(job.directory, mark, step.name) as scratch:
                answers[step.name] = answer = step.run(tell, scratch)
                store.write(step.name, answer.arrays, answer.notes)
        done += step.parts
    tell(0, "report")
    named = {"model": job.declaration.name, "title": job.declaration.title, "kind": job.kind}
    report = {**named, **job.report(answers)}
    if job.directory is not None:
        job.directory.mkdir(parents=True, exist_ok=True)
        report["files"] = job.draw(job.directory, answers)
    return report


@contextlib.contextmanager
def _scratch(directory: Path | None, mark: str, step: str) -> Iterator[Path | None]:
    """Name a directory for the state of a step, and remove it when the step is done."""
    if directory is None:
        yield None
        return
    # By declaration and data: the state of another's work is of no use.
    scratch = directory / "checkpoints" / mark[:16] / step
    yield scratch
    shutil.rmtree(scratch, ignore_errors=True)
    with contextlib.suppress(OSError):  # other steps or declarations may have theirs there
        scratch.parent.rmdir()
        scratch.parent.parent.rmdir()


def fingerprint(declaration: Any, arrays: Iterable[np.ndarray]) -> str:
    """Return a digest of a declaration (a dataclass) and of data."""
    return digest(asdict(declaration), arrays)
