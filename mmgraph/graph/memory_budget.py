"""What may be taken of the machine's memory, and the error where something would take more."""

from __future__ import annotations

import os

import torch

from mmgraph.graph.errors import MemoryBudgetError


def check_required(what: str, required: int, budget: int, advice: str) -> None:
    """Raise MemoryBudgetError, with both sizes and advice, if more bytes are required than may be.

    The message begins with ``what``.
    """
    if required > budget:
        need, most = format_bytes(required), format_bytes(budget)
        message = f"{what} would need {need}, the budget is {most}. {advice}"
        raise MemoryBudgetError(message, required, budget)


def default_memory_budget() -> int:
    """Half of the machine's memory, in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def device_budget(device: torch.device) -> int:
    """Return the bytes to take by default: half of the machine's, or what a GPU has free."""
    if device.type != "cuda":
        return default_memory_budget()
    free, _ = torch.cuda.mem_get_info(device)
    return int(free)


def format_bytes(size: float) -> str:
    """Return a size in bytes as people read it: ``"3.2 GiB"``."""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB", "PiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.3g} EiB"
