"""Devices: their names, checked, and whether one is another than the CPU."""

from __future__ import annotations

import torch

from mmgraph.graph.errors import MmgraphError, suggestion


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
