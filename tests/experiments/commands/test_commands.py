"""The job of spoken commands, on made words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mmgraph.experiments.commands import experiment
from mmgraph.experiments.commands.declaration import read_commands
from mmgraph.experiments.commands.digits import DigitRecordings
from mmgraph.experiments.commands.experiment import CommandsJob
from mmgraph.experiments.commands.words import IsolatedWords, text_of
from mmgraph.experiments.experiment import run
from mmgraph.experiments.job import run_job
from mmgraph.graph.errors import DatasetError, FormatError
from tests.sequences.commands.made_words import RATE, spoken

SMALL = """
kind = "commands"
[data]
dataset = "spoken_commands"
[grammar]
command = ["<device> (on | off)", "red | green"]
device = ["lamp", "fan"]
[recogniser]
emission = "mixture"
components = 2
[validation]
folds = 2
"""
COMMANDS = ["red", "green", "lamp on", "fan on", "fan off"]
OTHERS = ["on red", "green fan"]


def made() -> SimpleNamespace:
    """Six speakers who say every command, one that is composed, and what is none."""
    texts = [*COMMANDS, "lamp off", *OTHERS]
    kinds = ["command"] * len(COMMANDS) + ["composed"] + ["other"] * len(OTHERS)
    said = [(text, kind, who) for who in range(6) for text, kind in zip(texts, kinds, strict=True)]
    return SimpleNamespace(
        samples=[spoken(text, who) for text, _, who in said],
        texts=[text for text, _, _ in said],
        kinds=np.array([kind for _, kind, _ in said]),
        groups={"voice": np.array([who for _, _, who in said])},
        voices=tuple("abcdef"),
        rate=RATE,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("commands")
    (path / "small.toml").write_text('title = "Small"\n' + SMALL)
    return path


def test_every_kind_is_reported(folder: Path):
    declaration = read_commands(folder / "small.toml")
    report = run_job(CommandsJob(declaration, folder / "run", made()), limit=1)
    rows = {row["recordings"]: row for row in report["results"]}
    assert list(rows) == ["command", "composed", "other", "stream"]
    assert rows["command"]["rows"] == 3 * len(COMMANDS)
    assert rows["other"]["rows"] == 3  # the phrase that no training heard
    assert rows["command"]["accuracy"] > 0.8
    assert rows["other"]["answered"] > 0.8
    assert "Equal error rate of rejection: 0.0" in report["words"][0]
    assert [Path(file).name for file in report["files"]] == ["confidence.png"]


def test_digits_of_a_voice_left_out(folder: Path, monkeypatch: pytest.MonkeyPatch):
    said = [(word, who) for word in ("red", "green", "lamp") for who in range(5)]
    data = DigitRecordings(
        [spoken(word, who) for word, who in said],
        [word for word, _ in said],
        [f"voice {who}" for _, who in said],
        ("voice 3",),
    )
    monkeypatch.setattr(experiment, "digit_recordings", lambda *_: data)
    declaration = replace(read_commands(folder / "small.toml"), languages=("it",))
    job = CommandsJob(declaration, None, made())
    monkeypatch.setattr(job, "steps", lambda limit: CommandsJob.steps(job, limit)[1:])
    report = run_job(job)
    assert report["results"][-1]["recordings"] == "digits-it"
    assert "voice 3 1.00" in report["words"][-1]


def test_words_by_templates_of_another_voice(folder: Path, monkeypatch: pytest.MonkeyPatch):
    labels, texts = ["digits/1", "digits/2", "letters/a"], ["red", "green", "lamp"]
    assert [text_of("it", one) for one in [*labels, "digits/mon-7", "digits/h-2"]] == [
        "1", "2", "a", "agosto", None,
    ]  # fmt: skip
    studio = {f"voice {who}": [spoken(text, who) for text in texts] for who in (0, 1)}
    synthetic = [[spoken(text, who) for text in texts] for who in (2, 3)]
    phones = [[(0.0, text)] for _ in synthetic for text in texts]
    data = IsolatedWords(labels, studio, synthetic, phones)
    monkeypatch.setattr(experiment, "isolated_words", lambda *_: data)
    declaration = replace(read_commands(folder / "small.toml"), pairs=("it",), word_steps=1)
    job = CommandsJob(declaration, None, made())
    monkeypatch.setattr(job, "steps", lambda limit: CommandsJob.steps(job, limit)[1:])
    report = run_job(job)
    row = report["results"][-1]
    assert (row["recordings"], row["rows"]) == ("words-it", 6)
    assert "Words of voice 0 by templates of a voice, " in report["words"][-2]
    assert "numbers" not in report["words"][-1]  # which are no more than the digits
    assert report["words"][-1].endswith("(chance 0.33).")


def test_what_does_not_fit_is_named(folder: Path, tmp_path: Path):
    data = made()
    data.texts[0] = "blue"
    declaration = read_commands(folder / "small.toml")
    with pytest.raises(DatasetError, match="grammar lacks 'blue', of kind 'command'"):
        CommandsJob(declaration, None, data)
    bad = tmp_path / "bad.toml"
    bad.write_text('title = ""\n' + SMALL.replace("<device>", "<devise>"))
    with pytest.raises(FormatError, match=r"bad\.toml: \[grammar\].*did you mean 'device'"):
        read_commands(bad)
    bad.write_text('title = ""\n' + SMALL.replace("spoken_commands", "sachs"))
    with pytest.raises(DatasetError, match="'sachs' has no spoken commands"):
        experiment.job(bad, None)


@pytest.mark.slow
def test_voices_left_out(tmp_path: Path):
    report = run("spoken_commands", tmp_path, folds=1)
    rows = {row["recordings"]: row for row in report["results"]}
    assert rows["command"]["accuracy"] >= 0.95
    assert rows["composed"]["accuracy"] >= 0.7
    assert rows["other"]["answered"] >= 0.9
    assert rows["stream"]["answered"] >= 0.8
