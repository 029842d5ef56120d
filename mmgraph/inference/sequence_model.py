"""What models of sequences answer: the questions of :mod:`mmgraph.inference.query`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.errors import MmgraphError, check_choice
from mmgraph.inference.assignment import Assignment
from mmgraph.inference.model_settings import ModelSettings
from mmgraph.inference.options import check_device, check_known, is_elsewhere
from mmgraph.inference.posterior import Posterior
from mmgraph.inference.samples import Samples

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, eq=False, repr=False)
class SequencePosterior(Posterior):
    """Marginals of each step: ``marginal("z")`` is ``(rows, length, states)``.

    Attributes
    ----------
    lengths : tuple of int
        Of the sequences. Beyond the end of a shorter one all probabilities are zero.
    """

    lengths: tuple[int, ...] = ()

    def to_frame(self) -> pandas.DataFrame:
        """As :meth:`Posterior.to_frame`, without the steps beyond the ends of shorter sequences."""
        frame = super().to_frame()
        step = frame["variable"].str.extract(r"\[(\d+)", expand=False).astype(int)
        there = step.to_numpy() < np.array(self.lengths)[frame["row"].to_numpy()]
        return frame[there].reset_index(drop=True)


def check_exact(exact: bool, what: str) -> None:
    """Raise MmgraphError where ``auto`` would approximate a log-partition function."""
    if not exact:
        raise MmgraphError(f"the exact log-likelihood would take too many states: {what}")


SCAN = "parallel_scan"
"""The method that runs on any device: products of steps by an associative scan."""


class SequenceModel(ModelSettings, ABC):
    """A model whose variables have an axis of time, which evidence says the length of.

    The functions of :mod:`mmgraph.inference.query` hand their questions on to it; ``auto`` is an
    exact method of the model's own, ``chain``.

    Attributes
    ----------
    methods : tuple of str
        Those that can be asked for by name.
    scanned : tuple of str
        The questions that a parallel scan answers, on any device.
    question_options : mapping of str to tuple of str
        The options of each question.
    """

    methods: tuple[str, ...] = ("chain",)
    scanned: ClassVar[tuple[str, ...]] = ()
    question_options: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    file_kind: ClassVar[str] = "sequence model"

    def checked_call(
        self, question: str, method: str, device: str, options: Mapping[str, Any]
    ) -> tuple[str, dict[str, Any]]:
        """Return the method that answers a question, and its options.

        On another device than the CPU that is a scan, where the model has one.

        Raises
        ------
        MmgraphError
            If the model has no such method or option, or it does not run there.
        """
        check_choice("method", method, ("auto", *self.methods), MmgraphError)
        known = self.question_options.get(question, ())
        check_known(options, known, f"{question} of a {type(self).__name__}")
        elsewhere = is_elsewhere(check_device(device))
        if method != SCAN and not elsewhere:
            return method, dict(options)
        if SCAN not in self.methods or question not in self.scanned or method == "chain":
            raise MmgraphError(
                f"{question} of a {type(self).__name__} runs on the CPU, not on {device!r}"
            )
        return SCAN, {**options, "device": str(device) if elsewhere else "cpu"}

    def score(self, sequences: Any, y: object = None) -> float:
        """Return the mean log-likelihood of a step of sequences, or of evidence of a network."""
        answer = self.answer_query(sequences, (), "auto")
        return float(answer.log_evidence.sum()) / sum(getattr(answer, "lengths", ()))

    def modality_names(self) -> tuple[str, ...]:
        """Return the modalities of evidence; none where rows are not told apart by modality."""
        return ()

    @abstractmethod
    def answer_query(
        self, evidence: object, variables: Sequence[str] | None, method: str, **options: Any
    ) -> Posterior:
        """As :func:`mmgraph.query`."""

    @abstractmethod
    def answer_map_query(
        self, evidence: object, variables: Sequence[str] | None, method: str, **options: Any
    ) -> Assignment:
        """As :func:`mmgraph.map_query`: the most probable path (Viterbi)."""

    @abstractmethod
    def answer_sample(
        self,
        draws: int,
        evidence: object,
        generator: torch.Generator | None,
        method: str,
        **options: Any,
    ) -> Samples:
        """As :func:`mmgraph.sample`: whole paths, given the evidence."""

    @abstractmethod
    def answer_log_partition(
        self, evidence: object, method: str, **options: Any
    ) -> Float[Tensor, " rows"]:
        """As :func:`mmgraph.log_partition`: log P of each sequence."""
