"""The command line ``mmgraph``: run, infer, map, sample, fit, learn, effect and so on.

The commands import what they need when they run, so that help and wrong arguments answer at once.
"""

from __future__ import annotations

import inspect
import logging
import os
import sys
import warnings
from collections.abc import Callable
from typing import Annotated, NoReturn, TextIO

import typer

from mmgraph.cli import labelling, models, queries, runs, sampling
from mmgraph.cli.causal.analyse import analyse
from mmgraph.cli.causal.effect import effect
from mmgraph.cli.causal.identify import identify
from mmgraph.cli.common import SeveralValues, say
from mmgraph.cli.comparison.compare import compare
from mmgraph.cli.interruption import Interrupted
from mmgraph.cli.retrieval.index import index
from mmgraph.cli.retrieval.search import search
from mmgraph.cli.sequences.changepoints import changepoints
from mmgraph.cli.sequences.detect import detect
from mmgraph.cli.sequences.listen import listen
from mmgraph.cli.sequences.recognise import recognise
from mmgraph.cli.sequences.track import track
from mmgraph.cli.tables.learn import learn
from mmgraph.cli.tables.new import new
from mmgraph.cli.tables.predict import predict
from mmgraph.cli.tables.schema import schema
from mmgraph.graph.errors import MmgraphError

CLOSED_PIPE = 1
USAGE_ERROR = 2
INTERRUPTED = 130

app = typer.Typer(
    name="mmgraph",
    help="Probabilistic graphical models for multimodal data.",
    context_settings={"help_option_names": ["-h", "--help"]},
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


def _help(command: Callable[..., None]) -> str:
    """The docstring with a line a paragraph, since Typer keeps the breaks of the source."""
    text = inspect.cleandoc(command.__doc__ or "")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


_COMMANDS: dict[str, Callable[..., None]] = {
    "run": runs.run,
    "infer": queries.infer,
    "map": queries.most_probable,
    "sample": sampling.draw_samples,
    "fit": models.fit,
    "label": labelling.label,
    "show": models.show,
    "convert": models.convert,
    "schema": schema,
    "new": new,
    "learn": learn,
    "predict": predict,
    "compare": compare,
    "analyse": analyse,
    "identify": identify,
    "effect": effect,
    "index": index,
    "search": search,
    "changepoints": changepoints,
    "recognise": recognise,
    "detect": detect,
    "track": track,
    "listen": listen,
    "datasets": runs.list_datasets,
}
for _name, _command in _COMMANDS.items():
    app.command(_name, cls=SeveralValues, help=_help(_command))(_command)


def main() -> NoReturn:
    """Run the command line and exit: 0 done, 2 wrong usage or input, 130 interrupted.

    Where the reader of a pipe has gone, the code is 1, as the reader's own says more.
    """
    warnings.showwarning = _warn
    library = logging.getLogger("mmgraph")
    library.setLevel(logging.INFO)
    if not any(isinstance(handler, _LogLines) for handler in library.handlers):
        library.addHandler(_LogLines())
    try:
        status = app(standalone_mode=False)
        if sys.stdout is not None:  # it may have been closed before the start
            sys.stdout.flush()
    except MmgraphError as error:
        _fail(str(error))
    except Interrupted as interruption:
        say(f"interrupted; {interruption}")
        sys.exit(INTERRUPTED)
    except (KeyboardInterrupt, typer.Abort):
        status = INTERRUPTED
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
    if status == INTERRUPTED:
        say("interrupted")
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
    say(f"warning: {message}")


class _LogLines(logging.Handler):
    """Says in one line what the library tells of, such as the place from which it goes on."""

    def emit(self, record: logging.LogRecord) -> None:
        say(record.getMessage())


def _fail(message: str) -> NoReturn:
    """Say in one line what is wrong, and exit."""
    say(message)
    sys.exit(USAGE_ERROR)
