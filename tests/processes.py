"""Processes that tests start, without the seconds in which each would import torch and mmgraph.

They are forked from one process that has imported them. What only an interpreter of its own shows,
such as how it ends, is tested by :mod:`subprocess`.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import socket
import time
from collections.abc import Callable, Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(
    ["mmgraph.networks", "mmgraph.learning.boltzmann.training.loop",
     "mmgraph.deep.training.learner", "pandas", "safetensors.torch", "torch.distributed",
     "torch._dynamo"]  # the last by torch's optimisers
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


def together(
    target: Callable[..., object], *arguments: object, errors: Path
) -> tuple[list[int | None], list[str]]:
    """Call a function in two processes, as torchrun starts them.

    What comes back are their exit codes, and what they wrote to standard error, which goes into
    files in a directory.
    """
    files = [errors / f"errors{rank}" for rank in range(2)]
    processes = [
        start(target, *arguments, errors=file, environment=environment)
        for file, environment in zip(files, environments(), strict=True)
    ]
    for process in processes:
        process.join(90)
    return [process.exitcode for process in processes], [file.read_text() for file in files]


def environments() -> list[dict[str, str]]:
    """What torchrun tells each of two processes."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = str(listening.getsockname()[1])
    group = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    return [{**group, "RANK": rank, "LOCAL_RANK": rank} for rank in "01"]


def kill_within_training(process: BaseProcess, directory: Path, epoch: int) -> None:
    """Kill a process as soon as the training that a directory keeps has come to an epoch."""
    until = time.monotonic() + 60
    while kept_training(directory).get("epoch", 0) < epoch and time.monotonic() < until:
        assert process.exitcode is None
        time.sleep(0.005)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL


def kept_training(directory: Path | str) -> dict[str, Any]:
    """What a directory keeps of a training beside tensors; nothing before the first state."""
    try:  # one read: the file may be replaced at any moment
        content = (Path(directory) / "state.safetensors").read_bytes()
    except FileNotFoundError:
        return {}
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    document: dict[str, Any] = json.loads(header["__metadata__"]["document"])
    return document


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
