from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmgraph import datasets
from mmgraph.datasets.sequences import espeak_worker
from mmgraph.datasets.sequences.espeak_ng import EspeakNg, Phrase
from mmgraph.graph.errors import DatasetError
from tests.datasets.packages.made import wheel

VOICES = "espeakng_loader/espeak-ng-data/"
PACKAGE = {
    "espeakng_loader/libespeak-ng.so": b"no library",
    f"{VOICES}lang/gmw/en-US": b"name English",
    f"{VOICES}voices/!v/Ann": b"language variant",
}
# Says the length of its text in samples, then its speed and pitch; its text is its one phone.
WORKER = """
import json, sys
for text, voice, speed, pitch in json.load(sys.stdin)[2]:
    samples = [0] * len(text) + [speed, pitch]
    spoken = b"".join(one.to_bytes(2, "little") for one in samples)
    for part in (spoken, json.dumps([[0, "ˈ" + text]]).encode()):
        sys.stdout.buffer.write(len(part).to_bytes(4, "little") + part)
"""


@pytest.fixture
def program(made, monkeypatch: pytest.MonkeyPatch) -> EspeakNg:  # type: ignore[no-untyped-def]
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    made("espeak_ng", wheel(PACKAGE))
    return datasets.load("espeak_ng")


def test_phrases_come_back_in_their_order(
    program: EspeakNg, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "worker.py").write_text(WORKER)
    monkeypatch.setattr(espeak_worker, "__file__", str(tmp_path / "worker.py"))
    assert program.languages == ("en-us",)
    assert program.speakers == ("Ann",)
    spoken = program.speak([Phrase("abc", speed=90), Phrase("d", "en-us+Ann", pitch=7)])
    assert [x.tolist() for x in spoken] == [[0, 0, 0, 90, 50], [0, 175, 7]]
    assert program.utter([Phrase("aː")])[0].phones == ((0, "a"),)
    samples, rate = program.synthesise("a")
    assert (samples.tolist(), rate) == ([0, 175, 50], 22050)


def test_a_library_that_cannot_be_loaded_is_named(program: EspeakNg) -> None:
    with pytest.raises(DatasetError, match=r"libespeak-ng\.so"):
        program.synthesise("hello")


@pytest.mark.parametrize(
    ("phrase", "match"),
    [
        (Phrase("a", "en-su"), "no language 'en-su'; did you mean 'en-us'"),
        (Phrase("a", "en-us+Anne"), "no speaker 'Anne'; did you mean 'Ann'"),
        (Phrase("a", speed=79), "speed 79: eSpeak NG takes 80 to 450"),
        (Phrase("a", pitch=100), "pitch 100: eSpeak NG takes 0 to 99"),
        (Phrase(" "), "cannot speak the text ' '"),
    ],
)
def test_what_cannot_be_spoken_is_named(program: EspeakNg, phrase: Phrase, match: str) -> None:
    with pytest.raises(DatasetError, match=match):
        program.speak([phrase])


def test_another_machine_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    with pytest.raises(DatasetError, match=r"runs on Linux x86_64; this machine is \w+ arm64"):
        datasets.load("espeak_ng")


@pytest.mark.slow
def test_the_real_program() -> None:
    program = datasets.load("espeak_ng")
    first, rate = program.synthesise("turn the lamp on", "en-us+f2")
    # What was spoken before leaves no trace.
    _, again, slower, man = program.speak(
        [
            Phrase("stop"),
            Phrase("turn the lamp on", "en-us+f2"),
            Phrase("turn the lamp on", "en-us+f2", speed=120),
            Phrase("turn the lamp on", "en-us+m3"),
        ]
    )
    assert np.array_equal(first, again)
    assert 0.5 < len(first) / rate < 2
    assert len(slower) > 1.2 * len(first)
    assert abs(first).max() > 5000
    assert not np.array_equal(first[:5000], man[:5000])
