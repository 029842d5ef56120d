"""eSpeak NG: speech made from text by formants, in some hundred languages and as many voices."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Int16

from mmgraph.datasets.entries import read_files
from mmgraph.datasets.readers.unpacked import unpacked, write_below
from mmgraph.datasets.sequences import espeak_worker
from mmgraph.graph.errors import DatasetError, suggestion

SPEEDS = range(80, 451)
"""Words a minute that eSpeak NG speaks."""
PITCHES = range(100)
"""Pitches, of which 50 is a voice's own."""
_PACKAGE = "espeakng_loader/"
_LIBRARY = "libespeak-ng.so"
_DATA = "espeak-ng-data"
_UNMARKED = str.maketrans("", "", "ˈˌːˑ\u032a")


@dataclass(frozen=True)
class Phrase:
    """A text to speak, and how.

    Attributes
    ----------
    text : str
        Words, with punctuation if need be.
    voice : str
        A language, and after a plus sign a speaker: ``"en-us"``, ``"en-gb-scotland+f3"``.
    speed : int
        One of :data:`SPEEDS`.
    pitch : int
        One of :data:`PITCHES`.
    """

    text: str
    voice: str = "en-us"
    speed: int = 175
    pitch: int = 50


class Utterance(NamedTuple):
    """The samples of a phrase, and its phones in IPA, each with its first sample; silence is "".

    Stress and length are left out: they tell no phones apart.
    """

    samples: Int16[np.ndarray, " samples"]
    phones: tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class EspeakNg:
    """The program, unpacked. Equal phrases are always equal samples.

    It is the one package of the catalogue of which something runs: a library for Linux on x86-64,
    in a process of its own.

    Attributes
    ----------
    folder : Path
        Where library and data lie in the cache.
    languages, speakers : tuple of str
        What the two parts of a voice's name can be.
    rate : int
        Samples a second.
    """

    folder: Path
    languages: tuple[str, ...]
    speakers: tuple[str, ...]
    rate: int = espeak_worker.RATE

    def synthesise(
        self, text: str, voice: str = "en-us", speed: int = 175, pitch: int = 50
    ) -> tuple[Int16[np.ndarray, " samples"], int]:
        """Return the samples of one phrase and their rate; see :class:`Phrase`."""
        return self.speak([Phrase(text, voice, speed, pitch)])[0], self.rate

    def speak(self, phrases: Sequence[Phrase]) -> list[Int16[np.ndarray, " samples"]]:
        """Speak many phrases in one process, which takes some 15 ms each.

        Raises as :meth:`utter`.
        """
        return [one.samples for one in self.utter(phrases)]

    def utter(self, phrases: Sequence[Phrase]) -> list[Utterance]:
        """Speak many phrases, and say when which phone begins.

        Raises
        ------
        DatasetError
            If a phrase is empty or its voice, speed or pitch is none of eSpeak NG's (which), or
            the library cannot run.
        """
        for phrase in phrases:
            self._check(phrase)
        orders = [[one.text, one.voice, one.speed, one.pitch] for one in phrases]
        done = subprocess.run(
            [sys.executable, "-I", espeak_worker.__file__],
            input=json.dumps([str(self.folder / _LIBRARY), str(self.folder), orders]).encode(),
            capture_output=True,
            check=False,
        )
        if done.returncode:
            reason = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
            raise DatasetError("".join(reason) or f"eSpeak NG ended with {done.returncode}")
        parts, place = [], 0
        while place < len(done.stdout):
            size = int.from_bytes(done.stdout[place : place + 4], "little")
            parts.append(done.stdout[place + 4 : place + 4 + size])
            place += 4 + size
        return [
            Utterance(
                np.frombuffer(samples, "<i2").astype(np.int16),
                tuple((first, name.translate(_UNMARKED)) for first, name in json.loads(phones)),
            )
            for samples, phones in zip(parts[::2], parts[1::2], strict=True)
        ]

    def _check(self, phrase: Phrase) -> None:
        language, _, speaker = phrase.voice.partition("+")
        for what, name, known in (
            ("language", language, self.languages),
            ("speaker", speaker, ("", *self.speakers)),
        ):
            if name not in known:
                raise DatasetError(f"eSpeak NG has no {what} {name!r}{suggestion(name, known)}")
        for what, value, admitted in (
            ("speed", phrase.speed, SPEEDS),
            ("pitch", phrase.pitch, PITCHES),
        ):
            if value not in admitted:
                raise DatasetError(
                    f"{what} {value}: eSpeak NG takes {admitted.start} to {admitted.stop - 1}"
                )
        if not phrase.text.strip() or "\0" in phrase.text:
            raise DatasetError(f"eSpeak NG cannot speak the text {phrase.text!r}")


def load() -> EspeakNg:
    """Unpack the program if need be.

    Raises
    ------
    DatasetError
        If the machine is none of Linux on x86-64, for which the package is, or it cannot be got.
    """
    machine = f"{platform.system()} {platform.machine()}"
    if machine != "Linux x86_64":
        raise DatasetError(f"eSpeak NG runs on Linux x86_64; this machine is {machine}")
    folder = unpacked("espeak_ng", _unpack)
    files = (path for path in (folder / _DATA / "lang").rglob("*") if path.is_file())
    speakers = (folder / _DATA / "voices" / "!v").iterdir()
    return EspeakNg(
        folder,
        tuple(sorted(path.name.lower() for path in files)),
        tuple(sorted(path.name for path in speakers)),
    )


def _unpack(folder: Path) -> None:
    for name, content in read_files("espeak_ng", _PACKAGE + _LIBRARY, f"{_PACKAGE}{_DATA}/*"):
        write_below(folder, name.removeprefix(_PACKAGE), content)
