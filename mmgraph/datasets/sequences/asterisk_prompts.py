"""Prompts of the telephone exchange Asterisk, spoken by eight voices in five languages."""

from __future__ import annotations

import io
import json
import re
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int16
from numpy.typing import NDArray

from mmgraph.datasets.entries import read_files
from mmgraph.datasets.readers.unpacked import unpacked
from mmgraph.graph.errors import DatasetError, needs

RATE = 8000
"""Samples a second."""
_FOLDER = "usr/share/asterisk/sounds/"
# Two packages name the folder by the language alone.
_VOICES = {"es": "es_CO", "fr": "fr_f_Armelle"}
_NO_SPEECH = re.compile(r"silence/.*|beep(err)?|(a|de)scending-2tone|tt-monkeys")
_ISOLATED = re.compile(
    r"digits/(?!(hours|minutes|seconds)$)[^/]+|letters/[^/]+|phonetic/[^/]+|hours|minutes|seconds"
    r"|dictate/(pause|paused|record|playback)|(pbx-)?transfer|activated|added|cancelled|disabled"
    r"|enabled|invalid|location|lowercase|uppercase|number|removed|sorry|time|vm-(and|extension"
    r"|Family|first|for|Friends|from|goodbye|INBOX|last|messages?|no|Old|password|press|received"
    r"|Urgent|Work)"
)
_LONGEST = 1.6
_SAMPLES, _PROMPTS = "samples.npy", "prompts.json"


@dataclass(frozen=True, eq=False)
class AsteriskPrompts:
    """Prompts without silences, tones and empty files, voice by voice.

    They are studio recordings. Those of ``es_CO`` and ``fr_f_Armelle`` have noise below 150 Hz and
    pauses before the words. The same person speaks ``en_US_f_Allison`` and ``es_MX_f_Allison``.

    Attributes
    ----------
    samples : list of array of int16, shape (samples,)
        The recordings, mapped from a file of the cache, at ``rate`` samples a second.
    labels : list of str
        What is said, by the name of its file: ``"digits/7"``, ``"vm-goodbye"``. Most labels stand
        for the same words in all voices of a language.
    languages, voices : array of str, shape (prompts,)
        Such as ``"it"`` and ``"it_IT_f_Menardi"``; es, fr and it have two voices each.
    isolated : array of bool, shape (prompts,)
        Whether it is one word, or a few that make a number or a sign: digits, letters, months and
        the like, of at most 1.6 s. One of several with equal samples.
    rate : int
        Samples a second.
    """

    samples: list[Int16[np.ndarray, " samples"]]
    labels: list[str]
    languages: NDArray[np.str_]
    voices: NDArray[np.str_]
    isolated: Bool[np.ndarray, " prompts"]
    rate: int = RATE


def load() -> AsteriskPrompts:
    """Load the prompts. The first call unpacks them into the cache, which takes half a minute.

    Raises
    ------
    MissingExtraError
        If that needs soundfile, which two of the packages need.
    """
    folder = unpacked("asterisk_prompts", _unpack)
    prompts = json.loads((folder / _PROMPTS).read_text("utf-8"))
    samples = np.load(folder / _SAMPLES, mmap_mode="r")
    voices = np.array(prompts["voices"])
    return AsteriskPrompts(
        np.split(samples, np.cumsum(prompts["steps"])[:-1]),
        prompts["labels"],
        voices.astype("U2"),
        voices,
        np.array(prompts["isolated"], bool),
    )


def _unpack(folder: Path) -> None:
    """Write the samples of all prompts one after the other, and what is known of them."""
    voices, labels, isolated, samples = [], [], [], []
    seen = set()
    for path, content in read_files("asterisk_prompts", f"{_FOLDER}*.wav", f"{_FOLDER}*.gsm"):
        top, name = path.removeprefix(_FOLDER).split("/", 1)
        label, kind = name.rsplit(".", 1)
        if _NO_SPEECH.fullmatch(label):
            continue
        sound = _gsm(content) if kind == "gsm" else read_wav(content, path)
        if not len(sound):
            continue
        voices.append(_VOICES.get(top, top))
        labels.append(label)
        samples.append(sound)
        key = (top, sound.tobytes())
        single = _ISOLATED.fullmatch(label) and len(sound) <= _LONGEST * RATE and key not in seen
        isolated.append(bool(single))
        if single:
            seen.add(key)
    np.save(folder / _SAMPLES, np.concatenate(samples))
    steps = [len(sound) for sound in samples]
    record = {"voices": voices, "labels": labels, "isolated": isolated, "steps": steps}
    (folder / _PROMPTS).write_text(json.dumps(record), "utf-8")


def _gsm(content: bytes) -> Int16[np.ndarray, " samples"]:
    """Samples of GSM 06.10 frames without a header."""
    with needs("audio", "soundfile", "reading GSM recordings"):
        import soundfile
    samples: Int16[np.ndarray, " samples"]
    samples, _ = soundfile.read(
        io.BytesIO(content), dtype="int16", samplerate=RATE, channels=1, format="RAW",
        subtype="GSM610",
    )  # fmt: skip
    return samples


def read_wav(content: bytes, member: str) -> Int16[np.ndarray, " samples"]:
    """Return the samples of a WAV file of one channel, 16 bits and 8 kHz; ``member`` names it.

    Raises
    ------
    DatasetError
        If it is another file.
    """
    try:
        with wave.open(io.BytesIO(content)) as file:
            form = (file.getnchannels(), file.getsampwidth(), file.getframerate())
            samples = file.readframes(file.getnframes())
    except (wave.Error, EOFError) as error:
        raise DatasetError(f"{member} is no WAV file: {error}") from error
    if form != (1, 2, RATE):
        raise DatasetError(f"{member} is not of one channel, 16 bits and {RATE} Hz")
    return np.frombuffer(samples, "<i2").astype(np.int16)
