"""Words of two gliding tones, by speakers of other pitch: enough to be recognised in a second."""

from __future__ import annotations

import numpy as np

from mmgraph.sequences.commands.recogniser import CommandRecogniser

RATE = 8000
TONES = {"red": (500, 900), "green": (900, 500), "lamp": (1500, 2500), "fan": (2500, 1500),
         "on": (700, 700), "off": (2800, 3200)}  # fmt: skip
GRAMMAR = {"command": ["<device> (on | off)", "red | green"], "device": ["lamp", "fan"]}


def spoken(text: str, speaker: int, seed: int = 0) -> np.ndarray:
    """Samples of words at the rate, with quiet around them and a little noise."""
    rng = np.random.default_rng([seed, speaker, *text.encode()])
    parts = [np.zeros(800)]
    for word in text.split():
        length = int(rng.integers(1600, 2400))
        first, last = np.array(TONES[word]) * (1 + 0.04 * (speaker - 2))
        phase = 2 * np.pi * np.cumsum(np.linspace(first, last, length)) / RATE
        parts.append(np.sin(phase) * np.hanning(length) * 0.5)
    parts.append(np.zeros(800))
    samples = np.concatenate(parts)
    return (samples + rng.normal(0, 1e-3, len(samples))).astype(np.float32)


def fitted(**settings: object) -> tuple[CommandRecogniser, list[str]]:
    """A recogniser that has heard four speakers, and never 'lamp off'."""
    heard = ["red", "green", "lamp on", "fan on", "fan off", "lamp"]
    texts = [text for text in heard for _ in range(4)]
    speakers = list(range(4)) * len(heard)
    recordings = [spoken(text, who) for text, who in zip(texts, speakers, strict=True)]
    options = {"emission": "mixture", "components": 2} | settings
    return CommandRecogniser(GRAMMAR, **options).fit(recordings, texts, speakers), heard
