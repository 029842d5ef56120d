"""The command line ``mmgraph``: run, infer, map, sample, fit, label, show, convert, datasets.

The commands import what they need when they run, so that help and wrong arguments answer at once.
"""

from __future__ import annotations

import os
import sys
import warnings
from typing import Annotated, NoReturn, TextIO

import typer

from mmgraph.cli import labelling, models, queries, runs
from mmgraph.cli.common import SeveralValues
from mmgraph.graph.errors import MmgraphError

CLOSED_PIPE = 1
USAGE_ERROR = 2
INTERRUPTED = 130

app = typer.Typer(
    name="mmgraph",
    help="Probabilistic graphical models for multimodal data.",
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(asked: bool) -> None:
    if asked:
        from mmgraph import __version__

        print(f"mmgraph {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Options of the command itself, before those of its parts."""


app.command("run")(runs.run)
app.command("infer", cls=SeveralValues)(queries.infer)
app.command("map", cls=SeveralValues)(queries.most_probable)
app.command("sample", cls=SeveralValues)(queries.draw_samples)
app.command("fit")(models.fit)
app.command("label")(labelling.label)
app.command("show")(models.show)
app.command("convert")(models.convert)
app.command("datasets")(runs.list_datasets)


def main() -> NoReturn:
    """Run the command line and exit: 0 done, 2 wrong usage or input, 130 interrupted.

    Where the reader of a pipe has gone, the code is 1, as the reader's own says more.
    """
    warnings.showwarning = _warn
    try:
        status = app(standalone_mode=False)
        if sys.stdout is not None:  # it may have been closed before the start
            sys.stdout.flush()
    except MmgraphError as error:
        _fail(str(error))
    except (KeyboardInterrupt, typer.Abort):
        print("mmgraph: interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        _drop_output()
        sys.exit(CLOSED_PIPE)
    except OSError as error:
        _drop_output()
        _fail(str(error))
    except MemoryError as error:
        _fail(str(error) or "there is not enough memory")
    except Exception as error:
        # Typer's own errors have no public base class; all of them know how to say what is wrong.
        if not hasattr(error, "format_message"):
            raise
        context = getattr(error, "ctx", None)
        command = context.command_path if context is not None else "mmgraph"
        _fail(f"{error.format_message()} ({command} --help tells more)")
    sys.exit(status if isinstance(status, int) else 0)


def _drop_output() -> None:
    """Send what Python would still write at its end to nowhere: its place takes no more."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _warn(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Say in one line what the library warns of."""
    print(f"mmgraph: warning: {' '.join(str(message).split())}", file=sys.stderr)


def _fail(message: str) -> NoReturn:
    """Say in one line what is wrong, and exit."""
    print(f"mmgraph: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(USAGE_ERROR)
