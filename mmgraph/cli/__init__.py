"""The command line: ``mmgraph run | infer | map | sample | fit | show | convert | datasets``.

The commands import what they need when they run, so that help and wrong arguments answer at once.
"""

from __future__ import annotations

import os
import sys
from typing import NoReturn

import typer

from mmgraph.cli import models, queries, runs
from mmgraph.graph.errors import MmgraphError

USAGE_ERROR = 2
INTERRUPTED = 130

app = typer.Typer(
    name="mmgraph",
    help="Probabilistic graphical models for multimodal data.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("run")(runs.run)
app.command("infer")(queries.infer)
app.command("map")(queries.most_probable)
app.command("sample")(queries.draw_samples)
app.command("fit")(models.fit)
app.command("show")(models.show)
app.command("convert")(models.convert)
app.command("datasets")(runs.list_datasets)


def main() -> NoReturn:
    """Run the command line and exit: 0 done, 2 wrong usage or input, 130 interrupted."""
    try:
        status = app(standalone_mode=False)
        sys.stdout.flush()
    except MmgraphError as error:
        _fail(str(error))
    except (KeyboardInterrupt, typer.Abort):
        print("mmgraph: interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # The reader has seen enough; what Python would still flush has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        # Typer's own errors have no public base class; all of them know how to say what is wrong.
        if not hasattr(error, "format_message"):
            raise
        _fail(f"{error.format_message()} (mmgraph --help tells more)")
    sys.exit(status if isinstance(status, int) else 0)


def _fail(message: str) -> NoReturn:
    """Say in one line what is wrong, and exit."""
    print(f"mmgraph: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(USAGE_ERROR)
