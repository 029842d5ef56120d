"""A ready recogniser of commands: how well it knows speakers and commands it has never heard."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64

from mmgraph.data.splits import grouped_folds
from mmgraph.experiments.commands.declaration import CommandsDeclaration, read_commands
from mmgraph.experiments.commands.digits import DigitRecordings, digit_recordings
from mmgraph.experiments.commands.words import best, isolated_words, summary, words_known
from mmgraph.experiments.job import Answer, Job, Step, StepProgress
from mmgraph.experiments.pictures import save_figures
from mmgraph.graph.errors import DatasetError, MmgraphError
from mmgraph.learning.prediction.metrics import confidence_bins
from mmgraph.plots.charts import reliability_diagram
from mmgraph.sequences.commands.audio import Samples, resampled
from mmgraph.sequences.commands.recogniser import CommandRecogniser
from mmgraph.sequences.commands.rejection import equal_error

KINDS = ("command", "composed", "other")
"""Of recordings: a command that others said, one that nobody said, and what is no command."""
_DIGITS, _WORDS, _STREAM = "digits", "words", "stream"
_GAP = 0.8
"""Seconds of quiet between the recordings of a stream."""


def job(name: str | os.PathLike[str], directory: Path | None) -> CommandsJob:
    """Return the job of a declaration."""
    from mmgraph import datasets

    declaration = read_commands(name)
    loaded: Any = datasets.load(declaration.dataset)
    if not all(hasattr(loaded, part) for part in ("samples", "texts", "kinds", "voices")):
        raise DatasetError(f"the data set '{declaration.dataset}' has no spoken commands")
    return CommandsJob(declaration, directory, loaded)


class CommandsJob(Job):
    """Recordings of commands (``samples``, ``rate``, ``texts``, ``kinds``, ``groups["voice"]``).

    A row of the results has ``recordings`` (which kind), ``rows``, ``accuracy`` of the nearest
    command, ``answered`` (the share that is right and not rejected; of what is no command the share
    that is rejected), and its standard error over voices.
    """

    kind = "commands"
    declaration: CommandsDeclaration

    def __init__(self, declaration: CommandsDeclaration, directory: Path | None, data: Any) -> None:
        super().__init__(declaration, directory)
        self.data, rate = data, declaration.recogniser.rate
        grammar = declaration.rules
        for text, kind in zip(data.texts, data.kinds, strict=True):
            if (kind != "other") != grammar.accepts(text.split()):
                verb = "lacks" if kind != "other" else "admits"
                raise DatasetError(f"the declared grammar {verb} '{text}', of kind '{kind}'")
        self.samples = [resampled(one, data.rate, rate) for one in data.samples]
        self.voice = np.asarray(data.groups["voice"])
        self.fold = grouped_folds(self.voice, declaration.folds, declaration.seed)
        # Phrases of what is no command: every second one is heard in training, the rest never.
        others = dict.fromkeys(
            t for t, k in zip(data.texts, data.kinds, strict=True) if k == "other"
        )
        self._heard_others = set(list(others)[::2])

    def arrays(self) -> Iterable[np.ndarray]:
        """Return the sounds, and what they are."""
        return [*self.data.samples, np.array(self.data.texts), self.data.kinds, self.voice]

    def steps(self, limit: int | None) -> list[Step]:
        """Return a step a fold of speakers, those of languages, and one for the model of all.

        Raises
        ------
        MmgraphError
            If there are not so many folds.
        """
        declared = self.declaration
        folds = int(self.fold.max()) + 1
        if limit is not None and limit > folds:
            raise MmgraphError(f"there are {folds} folds, not {limit}")
        steps = [
            Step(f"fold-{one}", f"speakers left out, fold {one + 1}", partial(self._fold, one))
            for one in range(limit or folds)
        ]
        if limit is None:
            steps += [
                Step(
                    f"{_DIGITS}-{one}",
                    f"digits ({one}) of voices left out",
                    partial(self._digits, one),
                )
                for one in declared.languages
            ]
            if declared.pairs:
                steps.append(Step(_WORDS, "words of one voice by another", self._words))
        if self.directory is not None and limit is None:
            steps.append(Step("recogniser", "the recogniser of all speakers", self._write))
        return steps

    def recogniser(self, grammar: Any = None) -> CommandRecogniser:
        """Return a recogniser that is not fitted yet."""
        declared = self.declaration.recogniser
        return CommandRecogniser(
            self.declaration.rules if grammar is None else grammar,
            emission=declared.emission, components=declared.components, steps=declared.steps,
            rate=declared.rate, random_state=self.declaration.seed,
        )  # fmt: skip

    def _fitted(self, among: Bool[np.ndarray, " recordings"]) -> CommandRecogniser:
        heard = [
            kind == "command" or (kind == "other" and text in self._heard_others)
            for text, kind in zip(self.data.texts, self.data.kinds, strict=True)
        ]
        chosen = np.flatnonzero(among & np.array(heard)).tolist()
        texts = [self.data.texts[i] for i in chosen]
        speakers = self.voice[chosen].tolist()
        return self.recogniser().fit([self.samples[i] for i in chosen], texts, speakers)

    def _fold(self, number: int, progress: StepProgress, scratch: Path | None) -> Answer:
        model = self._fitted(self.fold != number)
        test = [
            i for i in np.flatnonzero(self.fold == number).tolist()
            if self.data.texts[i] not in self._heard_others
        ]  # fmt: skip
        began = time.perf_counter()
        answers = [model.recognise(self.samples[i]) for i in test]
        seconds = time.perf_counter() - began
        spoken = sum(len(self.samples[i]) for i in test) / model.rate
        arrays = {
            "recording": np.array(test),
            "right": np.array([one.nearest for one in answers]) == np.array(self.data.texts)[test],
            "accepted": np.array([one.command is not None for one in answers]),
            "confidence": np.array([one.confidence for one in answers]),
        }
        first = self.voice[test[0]]
        stream = [i for i in test if self.voice[i] == first and self.data.kinds[i] != "other"]
        in_stream = _heard_in_stream(model, [self.samples[i] for i in stream])
        matched = sum(
            a == b for a, b in zip(in_stream, [self.data.texts[i] for i in stream], strict=False)
        )
        notes = {"seconds": seconds / spoken, "stream": [matched, len(stream), len(in_stream)]}
        return Answer(arrays, notes)

    def _digits(self, language: str, progress: StepProgress, scratch: Path | None) -> Answer:
        declared = self.declaration
        data: DigitRecordings = digit_recordings(
            language, declared.voices, declared.recogniser.rate, declared.seed
        )
        right, shares = [], {}
        for voice in data.studio:
            rest = [i for i, one in enumerate(data.voices) if one != voice]
            model = self.recogniser(sorted(set(data.words))).fit(
                [data.samples[i] for i in rest],
                [data.words[i] for i in rest],
                [data.voices[i] for i in rest],
            )
            left_out = [i for i, one in enumerate(data.voices) if one == voice]
            said = model.predict([data.samples[i] for i in left_out], reject=False)
            hits = [word == data.words[i] for word, i in zip(said, left_out, strict=True)]
            right += hits
            shares[voice] = sum(hits) / len(hits)
        return Answer({f"{_DIGITS}-{language}": np.array(right)}, {"voices": shares})

    def _words(self, progress: StepProgress, scratch: Path | None) -> Answer:
        declared = self.declaration
        rate, seed = declared.recogniser.rate, declared.seed
        words = {
            one: isolated_words(one, declared.word_voices, rate, seed) for one in declared.pairs
        }
        known = words_known(words, rate, declared.word_steps, seed)
        return Answer(
            {f"{_WORDS}-{one}": best(methods) for one, methods in known.items()},
            {"summary": [line for methods in known.values() for line in summary(methods)]},
        )

    def _write(self, progress: StepProgress, scratch: Path | None) -> Answer:
        from mmgraph.formats.resolve import write

        assert self.directory is not None
        self.directory.mkdir(parents=True, exist_ok=True)
        path = self.directory / "recogniser.mmgraph"
        write(self._fitted(np.ones(len(self.voice), bool)), path)
        return Answer({}, {"file": str(path)})

    def report(self, answers: Mapping[str, Answer]) -> dict[str, Any]:
        """Return a row for each kind of recording, streams and digits, and the rest in words."""
        folds = [answer for name, answer in answers.items() if name.startswith("fold-")]
        tested = {
            name: np.concatenate([one.arrays[name] for one in folds]) for name in folds[0].arrays
        }
        kinds = np.asarray(self.data.kinds)[tested["recording"]]
        voices = self.voice[tested["recording"]]
        rows = []
        for kind in KINDS:
            of = kinds == kind
            right, accepted = tested["right"][of], tested["accepted"][of]
            answered = ~accepted if kind == "other" else right & accepted
            row = {"recordings": kind, "rows": int(of.sum())}
            row["accuracy"] = None if kind == "other" else float(right.mean())
            rows.append(row | _over(answered, voices[of]))
        matched, said, ended = np.sum([one.notes["stream"] for one in folds], axis=0).tolist()
        rows.append(
            {"recordings": _STREAM, "rows": said, "accuracy": None, "answered": matched / said}
        )
        rows += [
            {"recordings": name, "rows": len(right), "accuracy": float(right.mean())}
            for answer in answers.values()
            for name, right in answer.arrays.items()
            if name.startswith((_DIGITS, _WORDS))
        ]
        voices_left_out = [
            f"{voice} {share:.2f}"
            for name, answer in answers.items() if name.startswith(_DIGITS)
            for voice, share in answer.notes["voices"].items()
        ]  # fmt: skip
        is_command = kinds != "other"
        rejection = equal_error(tested["confidence"], is_command)
        bins = confidence_bins(tested["confidence"], tested["right"] & is_command)
        seconds = float(np.mean([one.notes["seconds"] for one in folds]))
        words = [
            f"Equal error rate of rejection: {rejection:.3f}. Calibration error of the "
            f"confidence: {bins.expected_calibration_error:.3f}. A second of sound is recognised "
            f"in {1000 * seconds:.1f} ms.",
            f"In streams {ended} utterances were heard where {said} commands were said.",
        ]
        if voices_left_out:
            words.append(f"Digits of voices left out: {', '.join(voices_left_out)}.")
        for answer in answers.values():
            words += answer.notes.get("summary", ())
        return {"rows": len(kinds), "results": rows, "words": words}

    def draw(self, directory: Path, answers: Mapping[str, Answer]) -> list[str]:
        """Draw how often answers of each confidence are right; name the recogniser's directory."""
        folds = [answer for name, answer in answers.items() if name.startswith("fold-")]
        recording, right, sure = (
            np.concatenate([one.arrays[name] for one in folds])
            for name in ("recording", "right", "confidence")
        )
        right = right & (np.asarray(self.data.kinds)[recording] != "other")
        table = np.column_stack([1 - sure, sure])
        figure = reliability_diagram(right.astype(np.int64), table, title="Commands")
        files = save_figures(directory, {"confidence": figure})
        made = [one.notes["file"] for name, one in answers.items() if name == "recogniser"]
        return [*files, *made]


def _over(answered: Bool[np.ndarray, " recordings"], voices: np.ndarray) -> dict[str, float]:
    """The share of recordings, and its standard error over voices."""
    shares: Float64[np.ndarray, " voices"] = np.array(
        [answered[voices == one].mean() for one in np.unique(voices)]
    )
    error = shares.std(ddof=1) / np.sqrt(len(shares)) if len(shares) > 1 else 0.0
    return {"answered": float(answered.mean()), "answered_standard_error": float(error)}


def _heard_in_stream(model: CommandRecogniser, recordings: Sequence[Samples]) -> list[str | None]:
    """The commands of recordings one after the other, in steps of a tenth of a second."""
    gap = np.zeros(round(_GAP * model.rate), np.float32)
    stream = np.concatenate([part for one in recordings for part in (one, gap)])
    listener = model.listen()
    heard = [
        one for start in range(0, len(stream), model.rate // 10)
        for one in listener.step(stream[start : start + model.rate // 10])
    ]  # fmt: skip
    return [one.command for one in heard + listener.finish()]
