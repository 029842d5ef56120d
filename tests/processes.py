"""Processes that tests start, without the seconds in which each would import torch and mmgraph.

They are forked from one process that has imported them. What only an interpreter of its own shows,
such as how it ends, is tested by :mod:`subprocess`.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path

context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(
    ["mmgraph.networks", "mmgraph.learning.boltzmann.training.loop", "safetensors.torch",
     "torch.distributed", "torch._dynamo"]  # the last by torch's optimisers
)  # fmt: skip


def start(
    target: Callable[..., object],
    *arguments: object,
    errors: Path,
    environment: Mapping[str, str] | None = None,
) -> BaseProcess:
    """Call a function in a process of its own; its standard error goes into a file."""
    process = context.Process(target=_call, args=(target, arguments, errors, environment or {}))
    process.start()
    return process


def _call(
    target: Callable[..., object],
    arguments: tuple[object, ...],
    errors: Path,
    environment: Mapping[str, str],
) -> None:
    os.environ.update(environment)
    with errors.open("w") as file:
        os.dup2(file.fileno(), 2)
    target(*arguments)
