from __future__ import annotations

import io
import wave

import numpy as np
import pytest

from mmgraph import datasets
from mmgraph.datasets.sequences.asterisk_prompts import read_wav
from mmgraph.graph.errors import DatasetError
from tests.datasets.packages.made import deb

FOLDER = "usr/share/asterisk/sounds"


def wav(samples: np.ndarray, rate: int = 8000) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(samples.astype("<i2").tobytes())
    return buffer.getvalue()


def test_prompts_of_both_kinds_are_read_and_kept(made):
    soundfile = pytest.importorskip("soundfile")
    tone = (9000 * np.sin(np.arange(1600) / 3)).astype(np.int16)
    gsm = io.BytesIO()
    soundfile.write(gsm, tone, 8000, format="RAW", subtype="GSM610")
    english = {
        "digits/7.wav": wav(tone),
        "digits/8.wav": wav(tone),
        "digits/9.wav": wav(np.ones(16000)),
        "vm-intro.wav": wav(-tone),
        "silence/1.wav": wav(tone),
        "beep.wav": wav(tone),
        "is.wav": wav(tone[:0]),
    }
    packages = [{f"{FOLDER}/en_US_f_Allison/{name}": text for name, text in english.items()}]
    packages.append({f"{FOLDER}/es/digits/7.gsm": gsm.getvalue()})
    made("asterisk_prompts", *map(deb, packages), *[deb({})] * 6)
    for data in (datasets.load("asterisk_prompts"), datasets.load("asterisk_prompts")):
        assert data.labels == ["digits/7", "digits/8", "digits/9", "vm-intro", "digits/7"]
        assert data.languages.tolist() == ["en"] * 4 + ["es"]
        assert data.voices.tolist() == ["en_US_f_Allison"] * 4 + ["es_CO"]
        # An equal one, a long one, a sentence.
        assert data.isolated.tolist() == [True, False, False, False, True]
        assert np.array_equal(data.samples[3], -tone)
        assert len(data.samples[4]) == 1600
        assert np.corrcoef(data.samples[4], tone)[0, 1] > 0.9


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (wav(np.ones(9), 16000), r"a\.wav is not of one channel, 16 bits and 8000 Hz"),
        (b"RIFF", r"a\.wav is no WAV file"),
        (b"nothing of the kind", r"a\.wav is no WAV file"),
    ],
)
def test_another_file_is_named(content: bytes, match: str) -> None:
    with pytest.raises(DatasetError, match=match):
        read_wav(content, "a.wav")


@pytest.mark.slow
def test_the_real_prompts() -> None:
    pytest.importorskip("soundfile")
    data = datasets.load("asterisk_prompts")
    counts = dict(zip(*np.unique(data.voices, return_counts=True), strict=True))
    assert len(counts) == 8
    assert min(counts.values()) > 280
    isolated = {
        voice: {data.labels[n] for n in np.flatnonzero(data.isolated & (data.voices == voice))}
        for voice in counts
    }
    assert all({f"digits/{n}" for n in range(10)} <= words for words in isolated.values())
    pairs = [("es_CO", "es_MX_f_Allison"), ("fr_CA_f_June", "fr_f_Armelle")]
    for one, other in [*pairs, ("it_IT_f_Menardi", "it_IT_m_Carlo")]:
        assert len(isolated[one] & isolated[other]) > 100
