"""Commands in a stream of samples, recognised step by step."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int32

from mmgraph.sequences.commands.audio import Samples, checked_samples
from mmgraph.sequences.commands.chain_kernels import pass_tokens, trace
from mmgraph.sequences.commands.command_model import BEAM, CommandModel, Recognition
from mmgraph.sequences.commands.features import log_mel
from mmgraph.sequences.commands.neural_emission import CONTEXT

_ABOVE_NOISE = 1.5 * np.log(10.0)
"""How much louder than noise a frame of speech is: 15 dB."""
_SILENCE = -14.0
"""Log energy (-61 dB of full scale) below which nothing is speech."""
_RISE = 0.002
"""By how much the floor of noise rises each frame, where all is louder."""
_LEAD, _PAUSE, _LONGEST = 0.2, 0.4, 8.0
"""Seconds: what belongs to speech before it is loud; of quiet that end it; after which it ends."""


class Listener:
    """Finds where somebody speaks, and passes tokens along the grammar while they do.

    Where speech ends, all of it is recognised once more by the means of its bands: the answer is
    the same as :meth:`CommandRecogniser.recognise` gives of these samples, however they were cut.
    """

    def __init__(self, model: CommandModel) -> None:
        self._model, settings = model, model.settings
        self._step, self._width, self._rate = settings.step, settings.width, settings.rate
        self._samples: Samples = np.empty(0, np.float32)
        self._first = 0
        """Place in the stream of the first sample that is stored; the others are relative to it."""
        self._next = 0
        self._begin: int | None = None
        self._quiet_from = 0
        self._noise = np.inf
        self._origins: list[Int32[np.ndarray, " states"]] = []
        self._scores = model.chain.start

    @property
    def seconds(self) -> float:
        """How much has been heard."""
        return (self._first + len(self._samples)) / self._rate

    @property
    def partial(self) -> str:
        """The words of the best token, empty while nobody speaks.

        They lag behind by a tenth of a second, on which the densities of a frame depend.
        """
        if not self._origins:
            return ""
        chain = self._model.chain
        path = trace(np.stack(self._origins), int(self._scores.argmax()))
        return " ".join(one.word for one in chain.segments(path))

    def step(self, samples: object) -> list[Recognition]:
        """Hear some more samples, at the rate of the model, and return what ended meanwhile.

        That is commands and speech that is none, its words in seconds since listening began.

        Raises
        ------
        EvidenceError
            If they are no axis of finite numbers.
        """
        more = checked_samples(samples, f"samples after {self.seconds:.2f} s")
        self._samples = np.append(self._samples, more)
        ended: list[Recognition] = []
        while self._next + self._width <= len(self._samples):
            self._hear_frame()
            if self._begin is not None and self._is_over(self._begin):
                ended += self.finish()
        if self._begin is not None:
            self._pass_tokens(self._samples[self._begin : self._next + self._width - self._step])
        self._forget(max(0, self._next - self._lead) if self._begin is None else self._begin)
        return ended

    def finish(self) -> list[Recognition]:
        """Return what is being spoken, as if it ended here; nothing while nobody speaks."""
        if self._begin is None:
            return []
        spoken = self._samples[self._begin : self._next + self._width - self._step]
        answer = self._model.recognise(spoken)
        since = (self._first + self._begin) / self._rate
        self._begin, self._origins = None, []
        return [answer.later(since)] if answer.words else []

    @property
    def _lead(self) -> int:
        return round(_LEAD * self._rate)

    def _hear_frame(self) -> None:
        """Go on by one frame: whether it is speech."""
        frame = self._samples[self._next : self._next + self._width]
        loudness = float(np.log(np.var(frame) + 1e-12))
        self._noise = min(loudness, self._noise + _RISE)
        if loudness > max(self._noise + _ABOVE_NOISE, _SILENCE):
            if self._begin is None:
                self._begin = max(0, self._next - self._lead)
            self._quiet_from = self._next + self._step
        self._next += self._step

    def _is_over(self, begin: int) -> bool:
        quiet, spoken = self._next - self._quiet_from, self._next - begin
        return quiet >= _PAUSE * self._rate or spoken >= _LONGEST * self._rate

    def _pass_tokens(self, spoken: Samples) -> None:
        """Pass tokens to the frames whose densities no later frame will change much."""
        chain, acoustics = self._model.chain, self._model.acoustics
        energies = log_mel(spoken, self._model.settings)
        done, ready = len(self._origins), len(energies) - CONTEXT
        if ready <= done:
            return
        densities = acoustics.log_densities(energies)[done:ready]
        for row in densities:
            origin = np.arange(len(chain.start), dtype=np.int32)
            if self._origins:
                following = np.empty_like(self._scores)
                pass_tokens(
                    self._scores, chain.stay, chain.first_arc, chain.source, chain.weight,
                    chain.emission, row, BEAM, following, origin,
                )  # fmt: skip
                self._scores = following
            else:
                self._scores = chain.start + row[chain.emission]
            self._origins.append(origin)

    def _forget(self, samples: int) -> None:
        """Drop so many stored samples."""
        self._samples = self._samples[samples:]
        self._first, self._next = self._first + samples, self._next - samples
        self._quiet_from -= samples
        if self._begin is not None:
            self._begin -= samples
