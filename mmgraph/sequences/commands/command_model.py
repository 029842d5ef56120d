"""What a recogniser has learned: a grammar, what its words sound like, and when to reject."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

from mmgraph.sequences.commands.acoustic_model import AcousticModel
from mmgraph.sequences.commands.audio import Samples
from mmgraph.sequences.commands.chain import Chain
from mmgraph.sequences.commands.features import speech_frames
from mmgraph.sequences.commands.grammar import Grammar
from mmgraph.sequences.commands.rejection import Rejection, path_evidence

BEAM = 200.0
"""Log-density below the best at which paths end."""


class SpokenWord(NamedTuple):
    """A word and when it was spoken, in seconds."""

    word: str
    start: float
    end: float


class Recognition(NamedTuple):
    """What was recognised.

    Attributes
    ----------
    command : str or None
        None where it is taken for no command.
    confidence : float
        The probability that ``nearest`` is right.
    nearest : str
        The most probable command, rejected or not; empty where there is too little sound for any.
    words : tuple of SpokenWord
        Those of ``nearest``.
    """

    command: str | None
    confidence: float
    nearest: str
    words: tuple[SpokenWord, ...]

    def later(self, seconds: float) -> Recognition:
        """Return the same, spoken later."""
        words = (SpokenWord(w, start + seconds, end + seconds) for w, start, end in self.words)
        return self._replace(words=tuple(words))


class CommandModel:
    """The parameters of a fitted recogniser; one is never changed."""

    def __init__(self, grammar: Grammar, acoustics: AcousticModel, rejection: Rejection) -> None:
        self.grammar, self.acoustics, self.rejection = grammar, acoustics, rejection
        self.settings = acoustics.settings

    @cached_property
    def chain(self) -> Chain:
        """The chain of the grammar."""
        return self.acoustics.chain(self.grammar.network)

    def recognise(self, samples: Samples) -> Recognition:
        """Return the command in samples at the rate of the settings."""
        (energies,), first = speech_frames(samples, self.settings)
        densities = self.acoustics.log_densities(energies)
        path, _ = self.chain.best_path(densities, BEAM)
        if not len(path):
            return Recognition(None, 0.0, "", ())
        evidence = path_evidence(self.chain, path, densities, energies)
        confidence = self.rejection.confidence(evidence)
        seconds = self.settings.step / self.settings.rate
        words = tuple(
            SpokenWord(one.word, max(0, first + one.first) * seconds, (first + one.end) * seconds)
            for one in self.chain.segments(path)
        )
        nearest = " ".join(one.word for one in words)
        command = nearest if confidence >= self.rejection.threshold else None
        return Recognition(command, confidence, nearest, words)
