import numpy as np
import pytest
import soundfile

import mmgraph as mm
from mmgraph.graph.errors import (
    EvidenceError,
    FormatError,
    LearningError,
    MmgraphError,
    NotFittedError,
)
from mmgraph.sequences.commands.audio import ResampledWarning, at_rate
from mmgraph.sequences.commands.recogniser import CommandRecogniser
from mmgraph.sequences.commands.rejection import equal_error
from tests.sequences.commands.made_words import GRAMMAR, RATE, TONES, fitted, spoken


@pytest.fixture(scope="module")
def recogniser():
    return fitted()[0]


def test_commands_of_another_speaker_composed_ones_and_rejection(recogniser):
    for text in ("red", "green", "lamp on", "fan off", "lamp off"):
        answer = recogniser.recognise(spoken(text, 5))
        assert answer.nearest == text
        assert answer.confidence > 0.5
    words = recogniser.recognise(spoken("lamp off", 5)).words
    assert [one.word for one in words] == ["lamp", "off"]
    assert 0.05 < words[0].start < words[0].end <= words[1].start + 0.1
    wrong = [spoken("on red", 5), spoken("green green off", 5)]
    assert recogniser.predict(wrong) == [None, None]
    assert recogniser.predict([wrong[0]], reject=False) == ["red"]
    assert recogniser.confidence(wrong).max() < recogniser.confidence([spoken("red", 5)])[0]


def test_a_stream_gives_the_same_answers_however_it_is_cut(recogniser):
    said = ["lamp on", "red", "fan off"]
    quiet = np.random.default_rng(0).normal(0, 1e-3, RATE).astype(np.float32)
    stream = np.concatenate([part for text in said for part in (quiet, spoken(text, 1))] + [quiet])
    answers = []
    for size in (173, 800, len(stream)):
        listener = recogniser.listen()
        partial, ended = set(), []
        for start in range(0, len(stream), size):
            ended += listener.step(stream[start : start + size])
            partial.add(listener.partial)
        answers.append(ended + listener.finish())
        assert size > 800 or len(partial - {""}) > 2
    assert [one.nearest for one in answers[0]] == said
    assert answers[0] == answers[1] == answers[2]
    starts = [one.words[0].start for one in answers[0]]
    assert starts[0] == pytest.approx(1.1, abs=0.1)
    assert starts == sorted(starts)
    assert listener.seconds == pytest.approx(len(stream) / RATE)
    assert recogniser.listen().step(np.zeros(RATE)) == []


@pytest.mark.parametrize("emission", ["mixture", pytest.param("neural", marks=pytest.mark.slow)])
def test_what_is_written_answers_as_before(recogniser, tmp_path, emission):
    if emission == "neural":
        recogniser = fitted(emission="neural", steps=40)[0]
    mm.write(recogniser, tmp_path / "a.mmgraph")
    again = mm.read(tmp_path / "a.mmgraph")
    assert isinstance(again, CommandRecogniser)
    before, after = recogniser.get_params(), again.get_params()
    assert after.pop("grammar").rules == before.pop("grammar").rules
    assert after == before
    recordings = [spoken(text, 5) for text in TONES]
    assert [again.recognise(r) for r in recordings] == [recogniser.recognise(r) for r in recordings]
    document = tmp_path / "a.mmgraph" / "network.json"
    document.write_text(document.read_text().replace('"red"', '"rot"'))
    with pytest.raises(FormatError, match="rot"):
        mm.read(tmp_path / "a.mmgraph")


def test_audio_files_and_other_rates(recogniser, tmp_path):
    soundfile.write(tmp_path / "red.wav", np.repeat(spoken("red", 1), 2), 2 * RATE)
    with pytest.warns(ResampledWarning, match="16000 Hz was resampled to 8000"):
        assert recogniser.predict(str(tmp_path / "red.wav")) == ["red"]
    integers = (spoken("red", 1) * 2**15).astype(np.int16)
    assert recogniser.predict([(integers, RATE)]) == ["red"]
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), RATE)
    with pytest.raises(FormatError, match=r"empty\.wav holds no samples"):
        recogniser.predict([tmp_path / "empty.wav"])
    (tmp_path / "text.wav").write_text("no sound")
    with pytest.raises(FormatError, match=r"text\.wav is no audio file"):
        at_rate(tmp_path / "text.wav", RATE)
    with pytest.raises(FormatError, match="no such file"):
        at_rate(tmp_path / "none.wav", RATE)
    with pytest.raises(EvidenceError, match="recording 3 is empty or too short"):
        at_rate(np.zeros(3), RATE, "recording 3")
    with pytest.raises(EvidenceError, match="sample 7 is not finite"):
        at_rate(np.where(np.arange(900) == 7, np.nan, 0.0), RATE)
    with pytest.raises(EvidenceError, match="one axis"):
        recogniser.listen().step(np.zeros((2, 2)))
    assert recogniser.predict([np.zeros(900, np.float32)]) == [None]


def test_what_cannot_be_learned_is_named():
    model = CommandRecogniser(GRAMMAR, emission="mixture")
    with pytest.raises(NotFittedError):
        model.predict([spoken("red", 1)])
    recordings = [spoken(text, 1) for text in ("red", "lamp on")]
    with pytest.raises(LearningError, match="the word 'fan' of the grammar is in no transcript"):
        model.fit(recordings, ["red", "lamp on"])
    with pytest.raises(LearningError, match="2 recordings, 1 transcripts"):
        model.fit(recordings, ["red"])
    with pytest.raises(LearningError, match="each is the only one of some word"):
        CommandRecogniser("red | lamp on").fit(recordings, ["red", "lamp on"], [0, 0])
    with pytest.raises(LearningError, match="no answer is wrong: give recordings"):
        CommandRecogniser("red", emission="mixture").fit(recordings[:1] * 4, ["red"] * 4)
    with pytest.raises(LearningError, match="power of two"):
        CommandRecogniser("red", emission="mixture", components=3).fit(
            recordings[:1] * 4, ["red"] * 4
        )
    with pytest.raises(MmgraphError, match="did you mean 'neural'"):
        CommandRecogniser("red", emission="neurall")


def test_equal_error_is_that_of_the_curve():
    sure = np.array([0.9, 0.8, 0.4, 0.3, 0.6, 0.2, 0.1, 0.05])
    right = np.arange(8) < 4
    assert equal_error(sure, right) == pytest.approx(0.25)
    assert equal_error(right.astype(float), right) == 0.0
