"""The questions of ``mm.query`` and its sisters, answered by models with faces of their own."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.errors import EvidenceError, UnknownVariableError, suggestion
from mmgraph.graph.variable import Variable
from mmgraph.inference.assignment import Assignment
from mmgraph.inference.exact.chain.pieces import Steps, padded
from mmgraph.inference.model_settings import seeded
from mmgraph.inference.posterior import Moments
from mmgraph.inference.samples import Samples
from mmgraph.inference.sequence_model import SequenceModel, SequencePosterior, check_exact
from mmgraph.learning.dynamic.sequences import SequenceRows

ROWS = "rows"
"""What evidence calls the sequences of a model that has no modalities."""


class RowModel(SequenceModel):
    """A model of sequences of rows."""

    @abstractmethod
    def _read(self, sequences: object) -> SequenceRows:
        """Read sequences, modalities side by side."""

    @abstractmethod
    def log_likelihood(self, sequences: object) -> Any:
        """Return log P of each sequence, ``(sequences,)``; a number for one sequence."""

    def score(self, sequences: object, y: object = None) -> float:
        """Return the mean log-likelihood of a step."""
        return float(np.sum(self.log_likelihood(sequences))) / sum(self._read(sequences).lengths)


class FaceAnswers(RowModel):
    """A model that answers by ``posterior``, ``predict``, ``log_likelihood`` and ``sample_paths``.

    Evidence is a mapping of modality to sequences, of ``"rows"`` to them where there are no
    modalities; the hidden variables are ``"state"``, or the chains by name.
    """

    question_options: ClassVar[Mapping[str, tuple[str, ...]]] = {"sample": ("length",)}
    random_state: int | None

    def _generator(self, random_state: int | None) -> np.random.Generator:
        """What draws: by the model's own seed where a call has none."""
        return seeded(self.random_state if random_state is None else random_state)

    @abstractmethod
    def _hidden(self) -> dict[str, Variable]:
        """The hidden variables."""

    def _sequences(self, evidence: object) -> Any:
        """Evidence as the methods of the model take sequences: always in lists."""
        if not isinstance(evidence, Mapping):
            raise EvidenceError(
                "evidence of sequences is a mapping of "
                f"{', '.join(self.modality_names()) or repr(ROWS)} to them"
            )
        known = self.modality_names() or (ROWS,)
        for name in evidence:
            if name not in known:
                hint = suggestion(name, known)
                raise UnknownVariableError(f"no modality is called {name!r}{hint}")
        listed = {n: s if isinstance(s, list | tuple) else [s] for n, s in evidence.items()}
        if self.modality_names():
            return {
                n: list(s) if any(r is not None for r in s) else None for n, s in listed.items()
            }
        return rows_of_evidence(evidence)

    def _asked(self, variables: Sequence[str] | None) -> list[str]:
        hidden = self._hidden()
        names = list(hidden if variables is None else variables)
        for name in names:
            if name not in hidden:
                raise UnknownVariableError(
                    f"no hidden variable is called {name!r}{suggestion(name, hidden)}"
                )
        return names

    def _over_time(self, names: Sequence[str], steps: Steps) -> dict[str, Variable]:
        longest, hidden = int(steps.lengths.max()), self._hidden()
        return {n: Variable(n, hidden[n].states, (longest,)) for n in names}

    def answer_query(
        self, evidence: object, variables: Sequence[str] | None, method: str, **options: Any
    ) -> SequencePosterior:
        """As :func:`mmgraph.query`."""
        began = time.perf_counter()
        names, sequences = self._asked(variables), self._sequences(evidence)
        found, totals = self._smoothed_sequences(sequences, options)
        by_name = [f if isinstance(f, Mapping) else {next(iter(self._hidden())): f} for f in found]
        first = next(iter(self._hidden()))
        steps = Steps([len(part[first]) for part in by_name])
        marginals = {n: padded(steps, np.concatenate([part[n] for part in by_name])) for n in names}
        exact = getattr(found[0], "exact", True)
        return SequencePosterior(
            self._over_time(list(self._hidden()), steps),
            Moments(marginals),
            torch.from_numpy(np.atleast_1d(totals)),
            method=getattr(found[0], "method", "chain"),
            exact=exact,
            seconds=time.perf_counter() - began,
            approximation="exact" if exact else "lower bound",
            lengths=tuple(int(n) for n in steps.lengths),
        )

    def _smoothed_sequences(self, sequences: Any, options: Mapping[str, Any]) -> tuple[Any, Any]:
        """The posterior of every sequence, and the log-likelihoods."""
        found: Any = self.posterior(sequences, **options)  # type: ignore[attr-defined]
        return found, self.log_likelihood(sequences)

    def answer_map_query(
        self, evidence: object, variables: Sequence[str] | None, method: str, **options: Any
    ) -> Assignment:
        """As :func:`mmgraph.map_query`."""
        began = time.perf_counter()
        names, sequences = self._asked(variables), self._sequences(evidence)
        paths, weights, exact = self._decoded_paths(sequences)
        steps = Steps([len(path[next(iter(path))]) for path in paths])
        codes = {n: padded(steps, np.concatenate([p[n] for p in paths]), -1) for n in names}
        return Assignment(
            codes,
            self._over_time(names, steps),
            torch.from_numpy(weights),
            method="chain",
            exact=exact,
            seconds=time.perf_counter() - began,
        )

    @abstractmethod
    def _decoded_paths(
        self, sequences: Any
    ) -> tuple[list[dict[str, np.ndarray]], Float[np.ndarray, " sequences"], bool]:
        """The best path of every sequence by hidden variable, in indices; its log-probability; and
        whether no better one exists.
        """

    def answer_sample(
        self,
        draws: int,
        evidence: object,
        generator: torch.Generator | None,
        method: str,
        **options: Any,
    ) -> Samples:
        """As :func:`mmgraph.sample`: paths of the hidden variables given the sequences.

        Without evidence, by ``length=``, those of sequences that are drawn, too.
        """
        if evidence is None:
            if set(options) != {"length"}:
                raise EvidenceError("nothing is observed: say how many steps there are by length=…")
            return self._drawn_sequences(draws, options["length"], generator)
        sequences = self._sequences(evidence)
        seed = int(torch.randint(2**62, (1,), generator=generator).item())
        drawn = self._drawn_paths(sequences, draws, np.random.default_rng(seed))
        names = list(self._hidden())
        steps = Steps([paths[names[0]].shape[1] for paths in drawn])
        codes = {
            n: padded(steps, np.concatenate([p[n].T for p in drawn]), -1)
            .transpose(1, 2)
            .contiguous()
            for n in names
        }
        over_time = self._over_time(names, steps)
        if len(drawn) == 1:
            return Samples(over_time, {n: t[0] for n, t in codes.items()})
        return Samples(over_time, codes, len(drawn))

    def _drawn_sequences(
        self, draws: int, length: int, generator: torch.Generator | None
    ) -> Samples:
        """Draws of all variables at so many steps, rows among them."""
        seeds = torch.randint(2**31, (draws,), generator=generator).tolist()
        pairs = [self.sample(length, seed) for seed in seeds]  # type: ignore[attr-defined]
        rows = [given if isinstance(given, Mapping) else {ROWS: given} for given, _ in pairs]
        paths = [p if isinstance(p, Mapping) else {next(iter(self._hidden())): p} for _, p in pairs]
        variables = self._over_time(list(self._hidden()), Steps([length]))
        codes = {
            name: torch.tensor([[variables[name].code(label) for label in p[name]] for p in paths])
            for name in variables
        }
        for name, first in rows[0].items():
            variables[name] = Variable(name, shape=first.shape, family="gaussian")
            codes[name] = torch.from_numpy(np.stack([one[name] for one in rows]))
        return Samples(variables, codes)

    @abstractmethod
    def _drawn_paths(
        self, sequences: Any, draws: int, generator: np.random.Generator
    ) -> list[dict[str, np.ndarray]]:
        """Drawn paths of every sequence, ``(draws, length)`` by hidden variable, in indices."""

    def answer_log_partition(
        self, evidence: object, method: str, **options: Any
    ) -> Float[Tensor, " rows"]:
        """As :func:`mmgraph.log_partition`."""
        check_exact(getattr(self, "exact", True), "log_likelihood gives a lower bound")
        totals = self.log_likelihood(self._sequences(evidence))
        return torch.from_numpy(np.atleast_1d(totals))


def rows_of_evidence(evidence: object) -> list[Any]:
    """Return the sequences of ``{"rows": sequences}`` in a list.

    Raises
    ------
    EvidenceError, UnknownVariableError
        If that is not what the evidence is.
    """
    if not isinstance(evidence, Mapping) or ROWS not in evidence:
        raise EvidenceError(f"evidence of sequences is {{{ROWS!r}: sequences}}")
    for name in evidence:
        if name != ROWS:
            raise UnknownVariableError(f"evidence has {ROWS!r} and nothing else, not {name!r}")
    rows = evidence[ROWS]
    return list(rows) if isinstance(rows, list | tuple) else [rows]
