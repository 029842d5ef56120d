"""Warnings name the line that called the package, whatever of it lies between."""

from __future__ import annotations

import types

import pytest
import torch

from mmgraph.graph import errors


def module_of_the_package(source: str) -> types.ModuleType:
    module = types.ModuleType("mmgraph.pretended")
    module.__dict__.update(warn_caller=errors.warn_caller, torch=torch)
    exec(compile(source, "pretended.py", "exec"), module.__dict__)
    return module


@pytest.mark.parametrize("decorator", ["", "@torch.no_grad()"])
def test_a_warning_names_the_line_outside(decorator):
    package = module_of_the_package(
        f"{decorator}\ndef inner():\n    warn_caller('take care', RuntimeWarning)\n"
        "def outer():\n    inner()\n"
    )
    with pytest.warns(RuntimeWarning, match="take care") as caught:
        package.outer()
    assert caught[0].filename == __file__
