"""``mmgraph listen`` on made words."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

import mmgraph as mm
from tests.sequences.commands.made_words import RATE, fitted, spoken


def test_a_file_and_a_stream(mmgraph, tmp_path: Path, monkeypatch):
    gap = np.random.default_rng(0).normal(0, 1e-3, RATE // 2)
    samples = np.concatenate([spoken("red", 0), gap, spoken("on red", 1), gap])
    soundfile.write(tmp_path / "said.wav", samples, RATE)
    model = tmp_path / "recogniser.mmgraph"
    mm.write(fitted()[0], model)
    code, out, err = mmgraph("listen", model, tmp_path / "said.wav", "--json")
    assert code == 0, err
    first, second = json.loads(out)["commands"]
    assert (first["nearest"], second["command"]) == ("red", None)
    assert first["words"][0]["start"] == pytest.approx(0.1, abs=0.1)
    content = (samples * 2**15).astype("<i2").tobytes()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))
    lines = mmgraph("listen", model, "-")[1].splitlines()
    assert len(lines) == 2
    assert "no command (nearest:" in lines[1]
    assert "no such file" in mmgraph("listen", model, tmp_path / "none.wav")[2]
    assert "no recogniser of commands" in mmgraph("listen", "alarm", "-")[2]
