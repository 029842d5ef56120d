from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from mmgraph import datasets
from mmgraph.datasets.sequences import spoken_commands
from mmgraph.datasets.sequences.espeak_ng import Phrase
from mmgraph.datasets.sequences.spoken_commands import COMPOSED, OTHERS, VOICES, sentences
from tests.datasets.packages.made import wheel


def test_sentences_of_a_grammar() -> None:
    grammar = {"s": ("a <b>", "<b> <c>"), "b": ("x", "y"), "c": ("<b>", "z z")}
    expected = ["a x", "a y", "x x", "x y", "x z z", "y x", "y y", "y z z"]
    assert sentences(grammar, "s") == expected


def test_composed_commands_have_words_of_others_and_others_are_none() -> None:
    made = sentences()
    shown = set(made) - set(COMPOSED)
    assert len(made) == len(set(made)) == 36
    assert (len(shown), len(OTHERS), len(set(VOICES))) == (24, 24, 20)
    words = {word for text in shown for word in text.split()}
    assert {word for text in COMPOSED for word in text.split()} <= words
    assert not set(OTHERS) & set(made)


class Speaker:
    """Speaks a phrase as its speed, at eSpeak's rate."""

    rate = 22050

    def speak(self, phrases: list[Phrase]) -> list[np.ndarray]:
        return [np.full(441, one.speed, np.int16) for one in phrases]


def test_utterances_are_spoken_once(made, monkeypatch):
    made("spoken_commands", wheel({}))
    monkeypatch.setattr(spoken_commands.espeak_ng, "load", Speaker)
    first = datasets.load("spoken_commands")
    monkeypatch.setattr(spoken_commands.espeak_ng, "load", None)
    again = datasets.load("spoken_commands")
    assert {len(x) for x in first.samples} == {320}
    assert all(np.array_equal(x, y) for x, y in zip(first.samples, again.samples, strict=True))
    assert 150 <= np.median(first.samples[0]) <= 200
    counts = Counter(first.kinds.tolist())
    assert counts == {"command": 24 * 2 * 20, "composed": 12 * 20, "other": 24 * 20}
    assert np.bincount(first.groups["voice"]).tolist() == [84] * 20
    assert len(first.texts) == len(first.samples)


@pytest.mark.slow
def test_the_real_utterances() -> None:
    data = datasets.load("spoken_commands")
    seconds = np.array([len(x) for x in data.samples]) / data.rate
    assert 0.2 < seconds.min() < seconds.max() < 3
    assert all(abs(x.astype(int)).max() > 2000 for x in data.samples)
    assert len({x.tobytes() for x in data.samples}) == len(data.samples)
    longer = [seconds[np.array(data.texts) == text].mean() for text in ("stop", "read the news")]
    assert longer[0] < longer[1]
