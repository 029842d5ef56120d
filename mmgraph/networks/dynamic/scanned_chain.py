"""Answers of one hidden chain on any device, by associative scans."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.inference.assignment import Assignment
from mmgraph.inference.exact.chain.parallel_scan import scanned_path, scanned_posterior
from mmgraph.inference.exact.chain.pieces import Steps, padded
from mmgraph.inference.posterior import Moments
from mmgraph.inference.sequence_model import SCAN, SequencePosterior
from mmgraph.networks.dynamic.chain_face import ChainFace


class ScannedChain(ChainFace):
    """A chain whose questions ``method="parallel_scan"`` or another device answer by scans."""

    methods: tuple[str, ...] = ("chain", SCAN)
    scanned = ("query", "map_query", "log_partition")

    def _on_device(self, evidence: object, device: str) -> tuple[Steps, dict[str, Tensor]]:
        """The steps, and what scans take, on a device; log-densities are computed on the CPU."""
        read, densities = self._densities(self._sequences(evidence))
        steps = Steps(read.lengths)
        logs = padded(steps, densities(slice(0, steps.total)))
        parameters = self.parameters
        tensors = {
            "start": torch.from_numpy(parameters.start),
            "transition": torch.from_numpy(parameters.transition),
            "log_densities": logs,
            "lengths": torch.from_numpy(steps.lengths),
        }
        return steps, {name: tensor.to(device) for name, tensor in tensors.items()}

    def answer_query(
        self, evidence: object, variables: Sequence[str] | None, method: str, **options: Any
    ) -> SequencePosterior:
        """As :func:`mmgraph.query`."""
        if method != SCAN or "lag" in options:
            options.pop("device", None)
            return super().answer_query(evidence, variables, method, **options)
        began = time.perf_counter()
        names = self._asked(variables)
        steps, tensors = self._on_device(evidence, options["device"])
        found = scanned_posterior(**tensors)
        return SequencePosterior(
            self._over_time(list(self._hidden()), steps),
            Moments(dict.fromkeys(names, found.probabilities)),
            found.log_likelihood,
            method=SCAN,
            exact=True,
            seconds=time.perf_counter() - began,
            lengths=tuple(steps.lengths.tolist()),
        )

    def answer_map_query(
        self, evidence: object, variables: Sequence[str] | None, method: str, **options: Any
    ) -> Assignment:
        """As :func:`mmgraph.map_query`."""
        if method != SCAN:
            return super().answer_map_query(evidence, variables, method, **options)
        began = time.perf_counter()
        names = self._asked(variables)
        steps, tensors = self._on_device(evidence, options["device"])
        found = scanned_path(**tensors)
        return Assignment(
            dict.fromkeys(names, found.states),
            self._over_time(names, steps),
            found.log_density,
            method=SCAN,
            seconds=time.perf_counter() - began,
        )

    def answer_log_partition(
        self, evidence: object, method: str, **options: Any
    ) -> Float[Tensor, " rows"]:
        """As :func:`mmgraph.log_partition`."""
        if method != SCAN:
            return super().answer_log_partition(evidence, method, **options)
        return scanned_posterior(**self._on_device(evidence, options["device"])[1]).log_likelihood
