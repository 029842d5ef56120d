"""Commands recognised in speech: a grammar of words, and hidden Markov models of these."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Bool, Float64

from mmgraph.graph.errors import (
    LearningError,
    MmgraphError,
    NotFittedError,
    check_choice,
    suggestion,
)
from mmgraph.sequences.commands.acoustic_model import EMISSIONS, AcousticModel
from mmgraph.sequences.commands.audio import Recording, at_rate
from mmgraph.sequences.commands.command_model import CommandModel, Recognition
from mmgraph.sequences.commands.features import WARPS, FeatureSettings, Frames, speech_frames
from mmgraph.sequences.commands.grammar import Forms, Grammar
from mmgraph.sequences.commands.listener import Listener
from mmgraph.sequences.commands.rejection import Trials
from mmgraph.sequences.commands.word_models import FILLER, Words

Recordings = Sequence[Recording] | str | os.PathLike[str]
"""Several recordings, or the path of one."""

_FALSE_REJECTION = 0.02
_SETTINGS = ("emission", "components", "steps", "false_rejection", "rate", "random_state")
_HELD_OUT = 0.25
"""Share of speakers on whom rejection is learned, and of commands not heard before."""


class CommandRecogniser:
    """Recognises commands of a grammar, by any speaker, and rejects what is none.

    Parameters
    ----------
    grammar : Grammar, str, sequence of str, or mapping
        The commands; see :class:`Grammar`.
    emission : {"neural", "mixture"}
        Densities of states: of a small network (better with other speakers), or mixtures of normal
        densities.
    components : int
        Of a mixture, a power of two.
    steps : int
        Gradient steps of the network.
    false_rejection : float, optional
        The share of right answers, of speakers held out, that the threshold of rejection rejects.
        By default .02 where ``fit`` hears anything that is no command, else 0: all is accepted.
    rate : int
        Samples a second; other audio is resampled.
    random_state : int

    Attributes
    ----------
    model_ : CommandModel
    """

    file_kind: ClassVar[str] = "command recogniser"

    def __init__(
        self,
        grammar: Grammar | Forms | Mapping[str, Forms],
        *,
        emission: str = "neural",
        components: int = 4,
        steps: int = 1200,
        false_rejection: float | None = None,
        rate: int = 8000,
        random_state: int = 0,
    ) -> None:
        check_choice("emission", emission, EMISSIONS, MmgraphError)
        if not 0 <= (false_rejection or 0) < 1:
            raise MmgraphError(f"'false_rejection' is a share below 1, not {false_rejection!r}")
        self.false_rejection = false_rejection
        self.grammar = grammar if isinstance(grammar, Grammar) else Grammar(grammar)
        self.emission, self.components, self.steps = emission, components, steps
        self.rate, self.random_state = rate, random_state
        self.model_: CommandModel | None = None

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the settings, as scikit-learn's estimators do."""
        names = ("grammar", *_SETTINGS)
        return {name: getattr(self, name) for name in names}

    def fit(
        self,
        recordings: Sequence[Recording],
        transcripts: Sequence[str | None],
        speakers: Sequence[Hashable] | None = None,
    ) -> CommandRecogniser:
        """Learn the words, and when to reject from a quarter of the speakers, unknown till then.

        Then the words are learned anew from all. What is no command is heard in recordings without
        one, and in commands that the grammar lacks one word of.

        Parameters
        ----------
        recordings : sequence
            Samples at the rate of the model, pairs of samples and rate, or paths.
        transcripts : sequence of str or None
            The words of each, of commands or parts of them. None, or a text with a word that is not
            in the grammar, is speech that is no command.
        speakers : sequence, optional
            Who speaks; without it, single recordings are held out, and confidence is that in
            speakers who have been heard.

        Raises
        ------
        LearningError
            If lengths differ, or a word of the grammar is in no transcript (which).
        EvidenceError, FormatError
            If a recording cannot be used.
        """
        speakers = range(len(recordings)) if speakers is None else list(speakers)
        if not len(recordings) == len(transcripts) == len(speakers):
            raise LearningError(
                f"{len(recordings)} recordings, {len(transcripts)} transcripts, speakers of "
                f"{len(speakers)}"
            )
        words = [self._words(text) for text in transcripts]
        self._check_words(words)
        warps = WARPS if self.emission == "neural" else (1.0,)
        settings = FeatureSettings(self.rate)
        samples = (at_rate(one, self.rate, f"recording {i}") for i, one in enumerate(recordings))
        views = [speech_frames(one, settings, warps)[0] for one in samples]
        rest, held_out = self._parts(words, speakers)
        known = self._learned([views[i] for i in rest], [words[i] for i in rest])
        trials = Trials(known, self.grammar, np.random.default_rng(self.random_state))
        for i in held_out:
            trials.hear(views[i][0], words[i])
        acoustics = self._learned(views, words)
        share = self.false_rejection
        if share is None:
            only_commands = all(map(self.grammar.accepts, words))
            share = 0.0 if only_commands else _FALSE_REJECTION
        self.model_ = CommandModel(self.grammar, acoustics, trials.rejection(share))
        return self

    def recognise(self, recording: Recording) -> Recognition:
        """Return the command of a recording, the probability that it is right, and its words."""
        return self.fitted().recognise(at_rate(recording, self.rate))

    def predict(self, recordings: Recordings, *, reject: bool = True) -> list[str | None]:
        """Return the command of each recording, None where it is no command; a path is one.

        Where ``reject`` is false, None stands only where there is too little sound for any.
        """
        answers = [self.recognise(one) for one in _listed(recordings)]
        return [one.command if reject else one.nearest or None for one in answers]

    def confidence(self, recordings: Recordings) -> Float64[np.ndarray, " recordings"]:
        """Return the probability that the most probable command of each recording is right.

        It is that where half of what is heard is a command.
        """
        return np.array([self.recognise(one).confidence for one in _listed(recordings)])

    def listen(self) -> Listener:
        """Return what takes the samples of a stream step by step, and says which commands ended."""
        return Listener(self.fitted())

    def fitted(self) -> CommandModel:
        """Return what was learned; raise NotFittedError before."""
        if self.model_ is None:
            raise NotFittedError("the recogniser is not fitted; call fit first")
        return self.model_

    def _learned(self, views: Sequence[Sequence[Frames]], words: Sequence[Words]) -> AcousticModel:
        options = {"components": self.components, "steps": self.steps, "seed": self.random_state}
        return AcousticModel.learned(
            views, words, FeatureSettings(self.rate), emission=self.emission, **options
        )

    def _words(self, text: str | None) -> Words:
        words = () if text is None else tuple(str(text).lower().split())
        known = words and all(word in self.grammar.words for word in words)
        return words if known else (FILLER,)

    def _check_words(self, transcripts: Sequence[Words]) -> None:
        heard = {word for words in transcripts for word in words}
        if missing := [word for word in self.grammar.words if word not in heard]:
            raise LearningError(
                f"the word '{missing[0]}' of the grammar is in no transcript"
                f"{suggestion(missing[0], heard - {FILLER})}"
            )

    def _parts(
        self, words: Sequence[Words], speakers: Sequence[Hashable]
    ) -> tuple[list[int], list[int]]:
        """The recordings to learn from before rejection, and those of speakers held out.

        A quarter of the speakers are held out, and a quarter of what is said is not learned from:
        so rejection meets commands that are only composed of words heard, too.
        """
        generator = np.random.default_rng(self.random_state)
        quiet = self._left_out(speakers, words, np.ones(len(words), bool), generator)
        unsaid = self._left_out(words, words, ~quiet, generator)
        if not quiet.any():
            raise LearningError(
                "no speaker can be held out for rejection: each is the only one of some word; "
                "without `speakers`, recordings are held out"
            )
        rest = np.flatnonzero(~quiet & ~unsaid)
        return rest.tolist(), np.flatnonzero(quiet).tolist()

    def _left_out(
        self,
        groups: Sequence[Hashable],
        words: Sequence[Words],
        among: Bool[np.ndarray, " recordings"],
        generator: np.random.Generator,
    ) -> Bool[np.ndarray, " recordings"]:
        """A quarter of the groups, without which every word of the others is still heard."""
        needed = {word for one in words for word in one}
        places = {name: number for number, name in enumerate(dict.fromkeys(groups))}
        group = np.array([places[name] for name in groups])
        out, count = np.zeros(len(words), bool), 0
        for one in generator.permutation(len(places)):
            tried = out | (group == one)
            rest = {word for i in np.flatnonzero(among & ~tried).tolist() for word in words[i]}
            if needed <= rest:
                out, count = tried, count + 1
            if count >= max(1, round(_HELD_OUT * len(places))):
                break
        return out


def _listed(recordings: Recordings) -> Sequence[Recording]:
    """Recordings in a list, the samples or the path of a single one, too."""
    alone = isinstance(recordings, str | os.PathLike) or getattr(recordings, "ndim", 0) == 1
    return [recordings] if alone else recordings  # type: ignore[return-value]
