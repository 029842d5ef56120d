"""Spoken commands, made by eSpeak NG in twenty English voices from a small grammar."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Int16, Int64
from numpy.typing import NDArray
from scipy.signal import firwin, resample_poly

from mmgraph.datasets.readers.unpacked import unpacked
from mmgraph.datasets.sequences import espeak_ng
from mmgraph.datasets.sequences.espeak_ng import Phrase

GRAMMAR: Mapping[str, tuple[str, ...]] = {
    "command": (
        "stop", "louder", "quieter", "pause", "help", "play music", "read the news",
        "what time is it", "call <person>", "play the <order> <piece>",
        "turn the <device> <state>", "<movement> the <opening>", "make the <light> <colour>",
    ),
    "person": ("anna", "peter"),
    "order": ("next", "previous", "first"),
    "piece": ("song", "album"),
    "device": ("lamp", "heating", "radio", "fan"),
    "state": ("on", "off"),
    "movement": ("open", "close"),
    "opening": ("door", "window", "curtains"),
    "light": ("lamp", "screen"),
    "colour": ("red", "green", "blue"),
}  # fmt: skip
"""What each rule can be; a name in angle brackets stands for one of that rule."""
COMPOSED = (
    "play the next album", "play the previous song", "play the first album",
    "turn the heating off", "turn the radio on", "turn the fan off",
    "open the window", "open the curtains", "close the door",
    "make the lamp green", "make the screen red", "make the lamp blue",
)  # fmt: skip
"""Commands of the grammar to leave out of learning: others have each of their words."""
OTHERS = (
    "good morning everyone", "the weather is nice today", "i lost my keys", "where is the cat",
    "she works in a bakery", "seven small boats", "please", "tomorrow evening", "banana",
    "he never answered the letter", "a glass of cold water", "we walked along the river",
    "what a lovely garden", "the train leaves at nine", "thank you very much", "yellow flowers",
    "play", "the lamp is next to the door", "the first window", "music is off the album",
    "turn left at the corner", "anna read the red book", "stop the car here", "open your eyes",
)  # fmt: skip
"""Phrases that are no commands, the last of them with words of commands."""
VOICES = (
    "en+m1", "en-us+m2", "en-gb-scotland+m3", "en-gb-x-rp+m4", "en-029+m5", "en-us-nyc+m6",
    "en-gb-x-gbclan+m7", "en-us+m8", "en+f1", "en-us+f2", "en-gb-scotland+f3", "en-gb-x-rp+f4",
    "en-029+f5", "en-us+Alex", "en+Andy", "en-us+Annie", "en-gb-x-gbcwmd+Michael", "en-us+linda",
    "en-gb-x-rp+steph", "en-us+edward",
)  # fmt: skip
"""A speaker each, in eight accents."""
RATE = 16000
"""Samples a second."""
_EDITION = 1
_SEED = 23
_FILE = "samples.npz"


@dataclass(frozen=True, eq=False)
class SpokenCommands:
    """Synthetic speech without noise: 24 commands twice, and all else once, in each voice.

    Takes differ in speed (150 to 200 words a minute) and pitch (40 to 60).

    Attributes
    ----------
    samples : list of array of int16, shape (samples,)
        The utterances.
    texts : list of str
        Their words, with blanks between.
    kinds : array of str, shape (utterances,)
        ``"command"``; ``"composed"``, one of :data:`COMPOSED`; ``"other"``, one of :data:`OTHERS`.
    groups : dict of str to array of int, shape (utterances,)
        ``"voice"``: place in ``voices``.
    voices : tuple of str
        :data:`VOICES`, as eSpeak NG names them.
    rate : int
        Samples a second.
    grammar : mapping of str to tuple of str
        :data:`GRAMMAR`, which makes the commands and the composed ones.
    """

    samples: list[Int16[np.ndarray, " samples"]]
    texts: list[str]
    kinds: NDArray[np.str_]
    groups: dict[str, Int64[np.ndarray, " utterances"]]
    voices: tuple[str, ...] = VOICES
    rate: int = RATE
    grammar: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: GRAMMAR)


def sentences(
    grammar: Mapping[str, tuple[str, ...]] = GRAMMAR, start: str = "command"
) -> list[str]:
    """All that a grammar without recursion makes of one rule, in its order."""
    made = []
    for form in grammar[start]:
        parts = re.split(r"<(\w+)>", form)
        choices = [sentences(grammar, p) if n % 2 else [p] for n, p in enumerate(parts)]
        made += ["".join(chosen) for chosen in itertools.product(*choices)]
    return made


def load() -> SpokenCommands:
    """Load the utterances. The first call speaks them, which takes most of a minute.

    Raises
    ------
    DatasetError
        If they are not in the cache and eSpeak NG cannot run on this machine.
    """
    with np.load(unpacked("spoken_commands", _speak, _EDITION) / _FILE) as content:
        samples = np.split(content["samples"], np.cumsum(content["steps"])[:-1])
    kinds, phrases = _phrases()
    voices = np.array([VOICES.index(one.voice) for one in phrases], np.int64)
    return SpokenCommands(
        samples, [one.text for one in phrases], np.array(kinds), {"voice": voices}
    )


def _phrases() -> tuple[list[str], list[Phrase]]:
    """What is spoken, with its kind: voice by voice."""
    shown = [(text, "command") for text in sentences() if text not in COMPOSED]
    rest = [(text, "composed") for text in COMPOSED] + [(text, "other") for text in OTHERS]
    rng = np.random.default_rng(_SEED)
    kinds, phrases = [], []
    for voice, (text, kind) in itertools.product(VOICES, [*shown, *shown, *rest]):
        speed, pitch = (int(rng.integers(low, high)) for low, high in ((150, 201), (40, 61)))
        kinds.append(kind)
        phrases.append(Phrase(text, voice, speed, pitch))
    return kinds, phrases


def _speak(folder: Path) -> None:
    program = espeak_ng.load()
    up, down = RATE // (shared := math.gcd(RATE, program.rate)), program.rate // shared
    # The filter that resample_poly would design anew for each utterance.
    window = firwin(20 * max(up, down) + 1, 1 / max(up, down), window=("kaiser", 5.0))
    spoken = []
    for samples in program.speak(_phrases()[1]):
        again = np.rint(resample_poly(samples.astype(np.float64), up, down, window=window))
        spoken.append(np.clip(again, -(2**15), 2**15 - 1).astype(np.int16))
    steps = np.array([len(one) for one in spoken])
    np.savez(folder / _FILE, samples=np.concatenate(spoken), steps=steps)
