"""Which methods run on which device, question by question, and the error where one does not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from mmgraph.graph.errors import MmgraphError, suggestion

_SUMS = ("belief_propagation", "tree_reweighted", "mean_field", "annealed_importance_sampling")
_CHAINS = ("gibbs", "parallel_tempering")

ON_ANY_DEVICE: dict[str, tuple[str, ...]] = {
    "query": ("torch", "layer_summation", *_SUMS, *_CHAINS),
    "joint": ("torch",),
    "log_partition": ("torch", "layer_summation", *_SUMS),
    "map_query": ("torch", "layer_summation", "trws", "max_product", "icm"),
    "sample": ("torch", "layer_summation", *_CHAINS),
}
"""Methods that run wherever torch does, by question."""

_TREE = "its loops are compiled for the CPU; method='torch' runs the same tree"
_CUTS = "moves are minimum cuts, which are found one path after the other"

ON_CPU_ALONE: dict[str, str] = {
    "junction_tree": _TREE,
    "enumeration": "it is the referee of small graphs; method='torch' is exact, too",
    "structured_mean_field": (
        "it passes along one tree after the other; method='mean_field' with structure='naive', or "
        "'tree_reweighted', runs there"
    ),
    "graph_cut": f"{_CUTS}; method='trws' has a bound, too",
    "trws_and_moves": f"{_CUTS}; method='trws' is the part without them",
    "alpha_expansion": f"{_CUTS}; method='trws' has a bound, too",
    "alpha_beta_swap": f"{_CUTS}; method='trws' has a bound, too",
    "branch_and_bound": "toulbar2 runs there; method='trws' has a bound, too",
}
"""Methods that run on the CPU alone: why, and what to take on another device."""


def check_device(device: object) -> str:
    """Return the name of a device, or raise MmgraphError if torch does not know or have it."""
    name = str(device)  # of a torch.device, too
    if name in ("auto", "cpu"):
        return name
    kind, colon, number = name.partition(":")
    if kind != "cuda" or bool(colon) != number.isdecimal():
        hint = suggestion(name, ("auto", "cpu", "cuda"))
        raise MmgraphError(f"unknown device {name!r}{hint} (known: auto, cpu, cuda, cuda:0, …)")
    if not torch.cuda.is_available() or int(number or 0) >= torch.cuda.device_count():
        raise MmgraphError(
            f"device {name!r} was asked for, but torch finds no such CUDA device; use device='cpu'"
        )
    return name


def device_of_data(device: object, data: object = None) -> torch.device:
    """Return the device to work on: None and ``"auto"`` stand for that of the data.

    Parameters
    ----------
    device : torch.device, str or None
    data : Tensor, optional
        What is no tensor is on the CPU.

    Raises
    ------
    MmgraphError
        If torch does not have the device.
    """
    name = "auto" if device is None else check_device(device)
    if name != "auto":
        return torch.device(name)
    return data.device if isinstance(data, torch.Tensor) else torch.device("cpu")


def is_elsewhere(device: object) -> bool:
    """Whether a device is named, and it is not the CPU."""
    return device is not None and str(device) not in ("auto", "cpu")


def checked_place(
    question: str, method: str, device: object, options: Mapping[str, Any] | None = None
) -> str:
    """Return the name of the device that a question is asked on.

    Parameters
    ----------
    options : mapping, optional
        Of the method: ``structure="chains"`` makes mean field a method of its own.

    Raises
    ------
    MmgraphError
        If torch does not have the device, or the method runs on the CPU alone.
    """
    name = check_device(device)
    if method == "mean_field" and (options or {}).get("structure") == "chains":
        method = "structured_mean_field"
    if is_elsewhere(name) and method in ON_CPU_ALONE:
        able = ", ".join(ON_ANY_DEVICE[question])
        raise MmgraphError(
            f"the method '{method}' runs on the CPU alone, not on {name!r}: "
            f"{ON_CPU_ALONE[method]} (for {question} on {name!r}: {able})"
        )
    return name
