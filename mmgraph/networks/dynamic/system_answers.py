"""The questions of ``mm.query`` and its sisters, answered by linear Gaussian systems."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.errors import EvidenceError, MmgraphError, UnknownVariableError, suggestion
from mmgraph.graph.variable import Variable
from mmgraph.inference.assignment import Assignment
from mmgraph.inference.exact.chain.pieces import Steps, padded
from mmgraph.inference.posterior import Moments
from mmgraph.inference.samples import Samples
from mmgraph.inference.sequence_model import SequencePosterior, check_exact
from mmgraph.networks.dynamic.face_answers import ROWS, RowModel, rows_of_evidence

STATE, REGIME = "state", "regime"


class SystemAnswers(RowModel):
    """Answers of a system that has ``smooth`` and ``log_likelihood``.

    Evidence is ``{"rows": sequences}``; of the hidden variables ``"state"`` has means and
    variances, and ``"regime"`` of a switching system marginals.
    """

    regimes: int = 0
    question_options: ClassVar[Mapping[str, tuple[str, ...]]] = {"sample": ("length",)}

    def _asked(self, variables: Sequence[str] | None) -> list[str]:
        known = [STATE, REGIME] if self.regimes else [STATE]
        for name in variables or ():
            if name not in known:
                raise UnknownVariableError(
                    f"no hidden variable is called {name!r}{suggestion(name, known)}"
                )
        return known if variables is None else list(variables)

    def answer_query(
        self, evidence: object, variables: Sequence[str] | None, method: str, **options: Any
    ) -> SequencePosterior:
        """As :func:`mmgraph.query`; methods and options are those of ``smooth``."""
        began = time.perf_counter()
        names = self._asked(variables)
        rows, chosen = rows_of_evidence(evidence), {"method": method} if self.regimes else {}
        found: Any = self.smooth(rows, **chosen, **options)  # type: ignore[attr-defined]
        steps = Steps([len(one.means) for one in found])
        means = padded(steps, np.concatenate([one.means for one in found]))
        spread = [np.diagonal(one.covariances, axis1=-2, axis2=-1) for one in found]
        variances = padded(steps, np.concatenate(spread))
        longest = int(steps.lengths.max())
        known = {STATE: Variable(STATE, shape=tuple(means.shape[1:]), family="gaussian")}
        moments = Moments({}, {STATE: means}, {STATE: variances})
        if self.regimes:
            known[REGIME] = Variable(REGIME, self.regimes, (longest,))
            chances = padded(steps, np.concatenate([one.probabilities for one in found]))
            moments = moments._replace(marginals={REGIME: chances})
        # Of sequences of which some are too long to be exact, the answer is what theirs are.
        worst = min(found, key=lambda one: bool(getattr(one, "is_exact", True)))
        sizes = [getattr(one, "effective_sample_size", None) for one in found]
        drawn = [size for size in sizes if size is not None]
        told = dict.fromkeys(names, padded(steps, np.concatenate(drawn))) if drawn else {}
        return SequencePosterior(
            known,
            moments.of(names),
            torch.tensor([float(one.log_likelihood) for one in found], dtype=torch.float64),
            method=str(getattr(worst, "method", "Kalman smoother")),
            exact=bool(getattr(worst, "is_exact", True)),
            seconds=time.perf_counter() - began,
            diagnostics={"effective_sample_size": told} if told else {},
            lengths=tuple(int(n) for n in steps.lengths),
        )

    def answer_map_query(
        self, evidence: object, variables: Sequence[str] | None, method: str, **options: Any
    ) -> Assignment:
        """Refuse: of a linear Gaussian system the means of :func:`mmgraph.query` are that path."""
        if self.regimes:
            raise MmgraphError(
                "the best path of a switching linear system is not found: `predict` gives the "
                "likeliest regime of each step, and `query` regimes and states"
            )
        raise MmgraphError(
            "the most probable states of a linear Gaussian system are the means that query gives"
        )

    def answer_sample(
        self,
        draws: int,
        evidence: object,
        generator: torch.Generator | None,
        method: str,
        **options: Any,
    ) -> Samples:
        """As :func:`mmgraph.sample`: paths of the states of one sequence or several.

        Without evidence, by ``length=``, those of sequences that are drawn, too.
        """
        if evidence is None:
            if set(options) != {"length"}:
                raise EvidenceError("nothing is observed: say how many steps there are by length=…")
            return self._drawn_sequences(draws, options["length"], generator)
        draw: Any = getattr(self, "sample_states", None)
        if draw is None:
            raise MmgraphError(f"paths of {self!r:.60} are not drawn given rows")
        parts = []
        for rows in rows_of_evidence(evidence):
            seed = int(torch.randint(2**31, (1,), generator=generator).item())
            parts.append(draw(rows, draws, seed))
        steps = Steps([part.shape[1] for part in parts])
        by_step = np.concatenate([part.transpose(1, 0, 2) for part in parts])
        values = padded(steps, by_step, np.nan).transpose(1, 2).contiguous()
        variable = Variable(STATE, shape=tuple(values.shape[2:]), family="gaussian")
        if len(parts) == 1:
            return Samples({STATE: variable}, {STATE: values[0]})
        return Samples({STATE: variable}, {STATE: values}, len(parts))

    def _drawn_sequences(
        self, draws: int, length: int, generator: torch.Generator | None
    ) -> Samples:
        """Draws of rows and what is hidden at so many steps."""
        seeds = torch.randint(2**31, (draws,), generator=generator).tolist()
        drawn = [self.sample(length, random_state=seed) for seed in seeds]  # type: ignore[attr-defined]
        variables, codes = {}, {}
        for name, parts in zip((ROWS, STATE, REGIME), zip(*drawn, strict=True), strict=False):
            values = np.stack(parts).reshape(draws, length, -1)
            variables[name] = Variable(name, shape=values.shape[1:], family="gaussian")
            if name == REGIME:
                values = values[..., 0]
                variables[name] = Variable(name, self.regimes, (length,))
            codes[name] = torch.from_numpy(values)
        return Samples(variables, codes)

    def answer_log_partition(
        self, evidence: object, method: str, **options: Any
    ) -> Float[Tensor, " rows"]:
        """As :func:`mmgraph.log_partition`."""
        answer = self.answer_query(evidence, (), method, **options)
        if method == "auto":
            check_exact(answer.exact, f"method='{answer.method}' approximates it")
        return answer.log_evidence
