"""Digits that voices of Asterisk say in a studio, and voices of eSpeak NG beside them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from mmgraph.sequences.commands.audio import Samples, resampled

DIGITS = {
    "en": "zero one two three four five six seven eight nine",
    "es": "cero uno dos tres cuatro cinco seis siete ocho nueve",
    "fr": "zéro un deux trois quatre cinq six sept huit neuf",
    "it": "zero uno due tre quattro cinque sei sette otto nove",
    "ru": "ноль один два три четыре пять шесть семь восемь девять",
}
SPEAKERS = (
    "m1", "f1", "m3", "f3", "m7", "f2", "Alex", "Annie", "m5", "f5", "Andy", "linda", "m8", "f4",
    "Michael", "steph",
)  # fmt: skip
"""Voices of eSpeak NG, men and women."""
_TAKES = 4
"""How often a voice of eSpeak NG says a digit, at another speed and pitch."""


class DigitRecordings(NamedTuple):
    """Digits of one language.

    Attributes
    ----------
    samples : list of array
    words, voices : list of str
        What is said, and by whom.
    studio : tuple of str
        Those voices that are people.
    """

    samples: list[Samples]
    words: list[str]
    voices: list[str]
    studio: tuple[str, ...]


def digit_recordings(language: str, voices: int, rate: int, seed: int) -> DigitRecordings:
    """Load the digits of a language by its studio voices and so many of eSpeak NG."""
    from mmgraph.datasets.sequences import asterisk_prompts, espeak_ng

    prompts, program = asterisk_prompts.load(), espeak_ng.load()
    words, generator = DIGITS[language].split(), np.random.default_rng(seed)
    made: Any = DigitRecordings([], [], [], ())
    for i in np.flatnonzero(prompts.languages == language).tolist():
        folder, _, name = prompts.labels[i].partition("/")
        if folder == "digits" and name.isdecimal() and int(name) < 10:
            made.samples.append(resampled(prompts.samples[i], prompts.rate, rate))
            made.words.append(words[int(name)])
            made.voices.append(str(prompts.voices[i]))
    studio = tuple(dict.fromkeys(made.voices))
    said = [
        (word, f"{language}+{speaker}")
        for speaker in SPEAKERS[:voices]
        for word in words
        for _ in range(_TAKES)
    ]
    phrases = [
        espeak_ng.Phrase(
            word, voice, int(generator.integers(120, 210)), int(generator.integers(30, 70))
        )
        for word, voice in said
    ]
    for (word, voice), samples in zip(said, program.speak(phrases), strict=True):
        made.samples.append(resampled(samples, program.rate, rate))
        made.words.append(word)
        made.voices.append(voice)
    return made._replace(studio=studio)
