"""What a call takes: CPU seconds, and the most memory, in a process of its own."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from mmgraph.graph.errors import MmgraphError, needs

Result = TypeVar("Result")

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class Measured(NamedTuple, Generic[Result]):
    """What a call returned and took.

    Attributes
    ----------
    result : object
    cpu_seconds : float
        Of all threads of the process.
    peak_bytes : int
        By how much the memory of the process was larger at most than before the call.
    """

    result: Result
    cpu_seconds: float
    peak_bytes: int


def measured(call: Callable[..., Result], *arguments: object) -> Measured[Result]:
    """Return what a call returns, with the CPU seconds and the memory that it took.

    Memory is that of this process, so that nothing else is to run in it: a worker process, or
    :func:`measured_apart`. Where the system cannot forget an earlier peak (all but Linux), a call
    that stays below it counts as zero.
    """
    forgets = _forgets_peak()
    before = _status_bytes("VmRSS") if forgets else _largest_bytes()
    start = time.process_time()
    result = call(*arguments)
    seconds = time.process_time() - start
    peak = _status_bytes("VmHWM") if forgets else _largest_bytes()
    return Measured(result, seconds, max(0, peak - before))


def measured_apart(call: Callable[..., Result], *arguments: object) -> Measured[Result]:
    """Return :func:`measured` of a call in a fresh process, which inherits nothing.

    The call, what it is given and what it returns are copied from process to process.

    Raises
    ------
    MmgraphError
        If the process is ended before it has answered, as where memory is used up.
    Exception
        What the call raises.
    """
    with needs("data", "scikit-learn", "comparisons"):
        from joblib.externals.loky.backend import get_context

    context = get_context("loky")  # it knows functions of a script, and does not run it again
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(sender, call, arguments))
    process.start()
    sender.close()
    try:
        answer = receiver.recv()
    except EOFError:
        process.join()
        raise MmgraphError(
            f"the process that was measured ended with exit code {process.exitcode}"
        ) from None
    process.join()
    if isinstance(answer, BaseException):
        raise answer
    return Measured(*answer)


def _answer(sender: Connection, call: Callable[..., Any], arguments: tuple[object, ...]) -> None:
    try:
        sender.send(tuple(measured(call, *arguments)))
    except Exception as error:
        sender.send(error)


def _forgets_peak() -> bool:
    """Set the largest memory of this process to what it is now; return whether that could be."""
    try:
        _RESET.write_text("5")
    except OSError:
        return False
    return True


def _status_bytes(field: str) -> int:
    lines = _STATUS.read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


def _largest_bytes() -> int:
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest if sys.platform == "darwin" else largest * 1024
