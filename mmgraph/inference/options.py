"""Checks of the options of questions, made before any work is done."""

from __future__ import annotations

import functools
import inspect
import numbers
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch

from mmgraph.graph.errors import MmgraphError, UnknownVariableError, suggestion
from mmgraph.graph.factor_graph import FactorGraph

_TYPES: dict[str, type] = {
    "None": type(None),
    "bool": bool,
    "float": numbers.Real,
    "int": numbers.Integral,
    "str": str,
    "torch.Generator": torch.Generator,
    "torch.device": torch.device,
    "torch.dtype": torch.dtype,
}
"""Annotations of options, and what they stand for; others are not checked."""


def check_model(model: object, question: str) -> None:
    """Raise MmgraphError if a question is asked of what is no model."""
    if not isinstance(model, FactorGraph):
        raise MmgraphError(f"{question} asks a model, not {model!r:.80}; mm.read(name) reads one")


def variable_names(variables: object) -> tuple[str, ...] | None:
    """Return the names of the variables asked for, each once, None for all.

    Raises
    ------
    UnknownVariableError
        If they are no names.
    """
    if variables is None:
        return None
    if isinstance(variables, str):
        return (variables,)
    if not isinstance(variables, Iterable):
        raise UnknownVariableError(f"variables are names, not {variables!r}")
    names = tuple(variables)
    for name in names:
        if not isinstance(name, str):
            raise UnknownVariableError(f"variables are names, and {name!r} is none")
    return tuple(dict.fromkeys(names))


def check_count(value: object, name: str) -> None:
    """Raise MmgraphError unless the value is a whole number of at least one."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 1:
        raise MmgraphError(f"{name} must be a whole number, at least 1, not {value!r}")


@functools.cache
def parameters_of(function: Callable[..., Any]) -> dict[str, str]:
    """Return the parameters of a function, and their annotations."""
    parameters = inspect.signature(function).parameters
    return {name: str(parameter.annotation) for name, parameter in parameters.items()}


def check_types(function: Callable[..., Any], options: Mapping[str, Any]) -> None:
    """Raise MmgraphError if a value is not of the type that its parameter is annotated with."""
    annotations = parameters_of(function)
    for name, value in options.items():
        if name in annotations:
            check_type(name, value, annotations[name])


def check_type(name: str, value: object, annotation: str) -> None:
    """Raise MmgraphError if a value is none of the types that an annotation lists.

    Parameters
    ----------
    name : str
        The option.
    annotation : str
        ``"int | None"``; one that has other parts than ``_TYPES`` is not checked.
    """
    kinds, types = _types_of(annotation)
    if types is None:
        return
    is_truth = isinstance(value, bool) and bool not in types
    if not is_truth and isinstance(value, types):
        return
    hint = ""
    if "torch.Generator" in kinds:
        hint = "; torch.Generator().manual_seed(0) makes one"
    raise MmgraphError(f"the option '{name}' is {' or '.join(kinds)}, not {value!r:.80}{hint}")


@functools.cache
def _types_of(annotation: str) -> tuple[list[str], tuple[type, ...] | None]:
    """The parts of an annotation, and the types they stand for, if it has no other parts."""
    kinds = annotation.split(" | ")
    if any(kind not in _TYPES for kind in kinds):
        return kinds, None
    return kinds, tuple(_TYPES[kind] for kind in kinds)


def check_known(options: Iterable[str], known: Iterable[str], method: str) -> None:
    """Raise MmgraphError if a method has no such option; it names those that there are."""
    names = list(known)
    for name in options:
        if name not in names:
            raise MmgraphError(
                f"the method '{method}' has no option {name!r}{suggestion(name, names)} (it has: "
                f"{', '.join(names) or 'none'})"
            )


def with_usual(
    model: FactorGraph, question: str, method: str, options: Mapping[str, Any]
) -> tuple[str, dict[str, Any]]:
    """Return the method and the options of a call, with what the model has where it names none.

    The options belong together: a call that names one of them goes without the others.
    """
    usual = dict(model.usual_options(question))
    own = usual.pop("method", method)
    named = dict(options)
    if method not in ("auto", own):
        return method, named
    return own, named if named.keys() & usual else {**usual, **named}


def check_exact(options: Mapping[str, Any], method: str) -> None:
    """Raise MmgraphError for options that an exact method lacks, or of a wrong type."""
    check_known(options, ("memory_budget",), method)
    check_type("memory_budget", options.get("memory_budget"), "int | None")
