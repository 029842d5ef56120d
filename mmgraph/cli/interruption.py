"""What a command says when it is interrupted: what is kept, and how to go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mmgraph.cli.common import StepLines, progress_bar
from mmgraph.cli.outputs import check_directory, check_drawing


class Interrupted(Exception):
    """An interruption, with what is to be said of it.

    It is no KeyboardInterrupt: of those Typer keeps but the exit code.
    """


def unwritten(output: Path | None) -> str:
    """Return what is to be said of a table that was not finished."""
    return "nothing is kept" if output is None else f"{output} is not written"


NOT_KEPT = "nothing is kept; with --checkpoint DIRECTORY it can go on another time"


@contextmanager
def keeps(
    directory: Path | None, otherwise: str = "nothing is kept", parts: Sequence[str] = (".",)
) -> Iterator[None]:
    """Let an interruption say whether the directory holds what the same command goes on from.

    That is so if there is a file in one of its ``parts``; ``otherwise`` is said if not.
    """
    try:
        yield
    except KeyboardInterrupt:
        places = [] if directory is None else [directory / part for part in parts]
        if not any(path.is_file() for place in places for path in place.rglob("*")):
            raise Interrupted(otherwise) from None
        raise Interrupted(
            f"what was done is kept in {directory}: run the same command again to go on"
        ) from None


@contextmanager
def steps_kept(directory: Path) -> Iterator[Callable[[int, int, str], None]]:
    """Check a directory that keeps what is done; yield what tells of steps, in a bar or lines."""
    check_directory(directory)
    check_drawing()
    lines = StepLines()
    with (
        keeps(directory, parts=("steps", "checkpoints")),
        progress_bar("loading the data", None) as (bar, task),
    ):

        def progress(done: int, total: int, text: str) -> None:
            bar.update(task, description=text, completed=done, total=total)
            lines(done, total, text)

        yield progress
