"""Pictures of ready models are rendered by the tests that look at them, and by no other."""

from __future__ import annotations

import pytest


@pytest.fixture
def rendered() -> None:
    """Ask for pictures that are drawn."""


@pytest.fixture(autouse=True)
def unrendered(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the files of pictures empty, unless the test asks for ``rendered``."""
    if "rendered" not in request.fixturenames:
        monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda *_, **__: None)
