"""The command line as tests call it."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from mmgraph.cli import main

Called = tuple[object, str, str]


@pytest.fixture
def mmgraph(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Called]:
    """Run the command line in this process; return exit code, standard output and error."""

    def run(*arguments: object) -> Called:
        monkeypatch.setattr(sys, "argv", ["mmgraph", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        output = capsys.readouterr()
        return stopped.value.code, output.out, output.err

    return run
