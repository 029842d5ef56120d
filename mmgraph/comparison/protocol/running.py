"""Tasks in processes of one thread each; what is done is kept, and not done again."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from mmgraph.comparison.protocol.task import Outcome, Task, outcome_of
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.graph.errors import MmgraphError, needs
from mmgraph.learning.kept_steps import KeptSteps

_log = logging.getLogger(__name__)

Progress = Callable[[int, int, str], None]
"""Called with the fits done, the fits in all, and what has just been done."""


class Runner:
    """Runs tasks, some at a time, each in one thread.

    Parameters
    ----------
    data : sequence of MultimodalData
        Those of each split.
    jobs : int, optional
        How many processes, as scikit-learn's ``n_jobs``; by default one for each core. Answers do
        not depend on it.
    directory : path, optional
        Where outcomes are kept.
    progress : callable, optional
    total : int
        How many tasks there will be in all.
    """

    def __init__(
        self,
        data: Sequence[MultimodalData],
        jobs: int | None,
        directory: Path | None,
        progress: Progress | None,
        total: int,
    ) -> None:
        self.data, self.jobs, self.directory = data, jobs, directory
        self._progress, self._total, self._done = progress, total, 0

    def run(self, tasks: Sequence[Task]) -> list[Outcome]:
        """Return the outcome of each task, those of an earlier run where they were kept.

        Raises
        ------
        MmgraphError
            If a process is killed; what others have done is kept.
        """
        outcomes = [_earlier(task, self.directory) for task in tasks]
        left = []
        for place, outcome in enumerate(outcomes):
            if outcome is None:
                left.append(place)
            else:
                self._tell(tasks[place])
        if len(left) < len(tasks):
            taken = len(tasks) - len(left)
            _log.info("%d of %d fits are taken from %s", taken, len(tasks), self.directory)
        for place, outcome in self._fresh(tasks, left):
            outcomes[place] = outcome
            self._tell(tasks[place])
        return [outcome for outcome in outcomes if outcome is not None]

    def _tell(self, task: Task) -> None:
        self._done += 1
        if self._progress is not None:
            self._progress(self._done, self._total, task.text)

    def _fresh(self, tasks: Sequence[Task], places: Sequence[int]) -> Iterator[tuple[int, Outcome]]:
        """Outcomes of some tasks with their places, each as soon as it is there."""
        with needs("data", "scikit-learn", "comparisons"):
            from joblib import Parallel, delayed, effective_n_jobs, parallel_config
            from joblib.externals.loky.process_executor import TerminatedWorkerError

        calls = [(place, tasks[place], self.data[tasks[place].split]) for place in places]
        jobs = min(effective_n_jobs(-1 if self.jobs is None else self.jobs), len(calls))
        if jobs <= 1:
            for call in calls:
                yield _done(*call, self.directory)
            return
        with parallel_config("loky", n_jobs=jobs, inner_max_num_threads=1):
            parallel = Parallel(return_as="generator_unordered", batch_size=1)
            try:
                yield from parallel(delayed(_in_process)(*call, self.directory) for call in calls)
            except TerminatedWorkerError:
                where = "" if self.directory is None else f"; what is done is in {self.directory}"
                raise MmgraphError(
                    "a process of the comparison was killed, perhaps for want of memory, of which "
                    f"n_jobs=1 needs least{where}"
                ) from None


def _in_process(
    place: int, task: Task, data: MultimodalData, directory: Path | None
) -> tuple[int, Outcome]:
    """As :func:`_done`, in a process that leaves interruptions to the one that began it."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    return _done(place, task, data, directory)


def _done(
    place: int, task: Task, data: MultimodalData, directory: Path | None
) -> tuple[int, Outcome]:
    """Do a task, and keep what it came to before anything else can go wrong."""
    outcome = outcome_of(task, data)
    if outcome.lasting:
        notes = {"costs": outcome.costs, "failures": list(outcome.failures.items())}
        KeptSteps(directory, task.digest).write(task.name, {"tables": outcome.tables}, notes)
    return place, outcome


def _earlier(task: Task, directory: Path | None) -> Outcome | None:
    earlier = KeptSteps(directory, task.digest).read(task.name, quietly=True)
    if earlier is None:
        return None
    arrays, notes = earlier
    return Outcome(arrays["tables"], notes["costs"], dict(notes["failures"]))
