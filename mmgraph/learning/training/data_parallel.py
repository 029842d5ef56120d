"""Several processes that train one model: each has a share of every batch and of the chains.

The processes are those that ``torchrun`` starts. Gradients are added up, so that all processes take
the same steps; what stops one of them stops all, with the reason.
"""

from __future__ import annotations

import atexit
import importlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist
from jaxtyping import Int64
from torch import Tensor

from mmgraph.graph.errors import LearningError
from mmgraph.learning.training.order import block_sizes

_MESSAGE_BYTES = 1024
_BLOCK = "block:"


class Processes:
    """The processes that train together, one alone by default; the device is where messages lie."""

    def __init__(self, rank: int = 0, count: int = 1, device: torch.device | str = "cpu") -> None:
        self.rank, self.count, self.device = rank, count, torch.device(device)
        self._failed = False

    @classmethod
    def of_environment(
        cls, device: torch.device | str = "cpu", timeout_seconds: float = 600.0
    ) -> Processes:
        """Return the processes that ``torchrun`` started, or this one alone.

        They have their parameters on the device: ``gloo`` joins CPUs, ``nccl`` GPUs. After the
        timeout one takes the others for dead.
        """
        place = torch.device(device)
        count = int(os.environ.get("WORLD_SIZE", "1"))
        if count <= 1:
            return cls(device=place)
        if not dist.is_initialized():
            # Functions of this module hold, as a default, the group that exists when it is first
            # imported (optimizers do); its threads would then outlive the interpreter, and abort.
            importlib.import_module("torch.distributed.nn.functional")
            backend = "nccl" if place.type == "cuda" else "gloo"
            try:
                dist.init_process_group(backend, timeout=timedelta(seconds=timeout_seconds))
            except (RuntimeError, ValueError) as error:
                raise LearningError(f"the other processes cannot be reached ({error})") from None
            atexit.register(_leave)
        return cls(dist.get_rank(), dist.get_world_size(), place)

    @property
    def leads(self) -> bool:
        """Whether this process writes files and reports progress."""
        return self.rank == 0

    def blocks(self, count: int) -> range:
        """Return which of the blocks of rows and chains are this process's."""
        if count % self.count:
            raise LearningError(
                f"{count} blocks of chains cannot be shared by {self.count} processes alike; set "
                f"blocks to a multiple of {self.count}"
            )
        each = count // self.count
        return range(self.rank * each, (self.rank + 1) * each)

    def rows(self, batch: Int64[Tensor, " batch"], blocks: int) -> Int64[Tensor, " rows"]:
        """Return the rows of a batch, cut into blocks, that are this process's."""
        sizes, local = block_sizes(len(batch), blocks), self.blocks(blocks)
        start = sum(sizes[: local.start])
        return batch[start : start + sum(sizes[b] for b in local)]

    @contextmanager
    def together(self) -> Iterator[None]:
        """Let an error that stops one of the processes, up to the very end, stop the others too."""
        try:
            yield
            self.check()
        except BaseException as error:
            self.check(error)
            raise

    def check(self, error: BaseException | None = None) -> None:
        """Wait for the others; raise LearningError with the message of the first that has failed.

        Where an error has stopped this process, it returns, so that the caller raises that.
        """
        if self.count == 1 or self._failed:
            return
        flag = torch.tensor([0.0 if error is None else 1.0], device=self.device)
        self._joined(dist.all_reduce, flag)
        if not float(flag):
            return
        self._failed = True
        reason = b"" if error is None else f"{type(error).__name__}: {error}".encode()
        padded = reason[:_MESSAGE_BYTES].ljust(_MESSAGE_BYTES, b"\0")
        buffer = torch.tensor(list(padded), dtype=torch.uint8, device=self.device)
        messages = [torch.zeros_like(buffer) for _ in range(self.count)]
        self._joined(dist.all_gather, messages, buffer)
        if error is not None:
            return
        for rank, content in enumerate(messages):
            message = bytes(content.cpu().tolist()).rstrip(b"\0").decode(errors="replace")
            if message:
                raise LearningError(f"process {rank} stopped: {message}")

    def added(self, tensors: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
        """Return the sums over all processes of tensors times a process's share."""
        if self.count == 1:
            return dict(tensors)
        first = next(iter(tensors.values()))
        flat = torch.cat([t.reshape(-1).to(first.dtype) for t in tensors.values()]) * share
        self._joined(dist.all_reduce, flat)
        result, start = {}, 0
        for name, tensor in tensors.items():
            result[name] = flat[start : start + tensor.numel()].reshape(tensor.shape)
            start += tensor.numel()
        return result

    def decided(self, choice: bool) -> bool:
        """Return the choice of the process that leads."""
        if self.count == 1:
            return choice
        flag = torch.tensor([float(choice)], device=self.device)
        self._joined(dist.broadcast, flag, 0)
        return bool(flag)

    def gathered(self, state: Mapping[str, Tensor], blocks: int) -> dict[str, Tensor]:
        """Return a state with all blocks (``"block:K:…"``), of which each process has its own."""
        if self.count == 1:
            return dict(state)
        local = self.blocks(blocks)
        result = {k: t for k, t in state.items() if not k.startswith(_BLOCK)}
        prefix = f"{_BLOCK}{local[0]}:"
        names = sorted(k.removeprefix(prefix) for k in state if k.startswith(prefix))
        each = len(local)
        for block in range(blocks):
            for name in names:
                if block in local:
                    tensor = state[f"{_BLOCK}{block}:{name}"]
                else:
                    tensor = torch.empty_like(state[prefix + name])
                place = tensor.device
                sent = tensor.to(self.device).contiguous()
                self._joined(dist.broadcast, sent, block // each)
                result[f"{_BLOCK}{block}:{name}"] = sent.to(place)
        return result

    def _joined(self, operation: object, *arguments: object) -> None:
        """Carry out what all processes take part in."""
        assert callable(operation)
        try:
            operation(*arguments)
            return
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
        # Out of the handler: an error in whose context torch's frames stand would hold the group,
        # whose threads then end the program before the message is out.
        self._failed = True
        _leave()
        raise LearningError(
            f"process {self.rank}: another process is gone ({reason}); the last checkpoint is whole"
        )


def _leave() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()
