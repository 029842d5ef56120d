"""Progress is drawn on terminals alone."""

from __future__ import annotations

import pytest

from mmgraph.cli.common import progress_bar


def test_what_is_no_terminal_gets_no_bar(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("FORCE_COLOR", "1")  # as the kernel of a notebook sets it
    with progress_bar("working", 2) as (bar, task):
        bar.advance(task)
    assert capsys.readouterr() == ("", "")
