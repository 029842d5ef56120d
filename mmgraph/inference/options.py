"""Options of questions: checks before any work is done, devices, and options as one record."""

from __future__ import annotations

import functools
import inspect
import numbers
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import torch

from mmgraph.graph.errors import MmgraphError, UnknownVariableError, suggestion
from mmgraph.graph.factor_graph import FactorGraph

Result = TypeVar("Result")

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

    Raises UnknownVariableError if they are no names.
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
    """Raise MmgraphError if an option is of none of the types of an annotation (``"int | None"``).

    One that has other parts than ``_TYPES`` is not checked.
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


def check_known(options: Iterable[str], known: Iterable[str], owner: str) -> None:
    """Raise MmgraphError if what stands behind a question has no such option; name those it has."""
    names = list(known)
    for name in options:
        if name not in names:
            raise MmgraphError(
                f"{owner} has no option {name!r}{suggestion(name, names)} (it has: "
                f"{', '.join(names) or 'none'})"
            )


def with_usual(
    model: FactorGraph, question: str, method: str, options: Mapping[str, Any]
) -> tuple[str, dict[str, Any]]:
    """Return the method and the options of a call, with what the model has where it names none.

    The options belong together: a call that names one of them goes without the others.
    """
    usual = dict(model.usual_options(question))
    usual_method = usual.pop("method", method)
    named = dict(options)
    if method not in ("auto", usual_method):
        return method, named
    return usual_method, named if named.keys() & usual else {**usual, **named}


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
    """Return the device to work on, checked: None and ``"auto"`` stand for that of the data.

    What is no tensor is on the CPU.
    """
    name = "auto" if device is None else check_device(device)
    if name != "auto":
        return torch.device(name)
    return data.device if isinstance(data, torch.Tensor) else torch.device("cpu")


def is_elsewhere(device: object) -> bool:
    """Whether a device is named, and it is not the CPU."""
    return device is not None and str(device) not in ("auto", "cpu")


def keyword_options(
    record: type[Any],
) -> Callable[[Callable[..., Result]], Callable[..., Result]]:
    """Return a decorator: the last parameter, a record, is spread into keywords of the function.

    The signature that callers and :func:`inspect.signature` see lists the fields of the record (a
    dataclass or named tuple) with their defaults; an unknown name is a TypeError that tells it. A
    function whose last parameter is ``**keywords`` makes the record itself, by checks of its own,
    and just shows these.
    """
    fields = inspect.signature(record).parameters

    def spread(function: Callable[..., Result]) -> Callable[..., Result]:
        whole = inspect.signature(function)
        *before, last = whole.parameters.values()
        signature = whole.replace(parameters=[*before, *fields.values()])
        if last.kind is last.VAR_KEYWORD:
            function.__signature__ = signature  # type: ignore[attr-defined]
            return function

        @functools.wraps(function)
        def called(*arguments: Any, **keywords: Any) -> Result:
            bound = signature.bind(*arguments, **keywords).arguments
            options = {name: bound.pop(name) for name in fields if name in bound}
            return function(**bound, **{last.name: record(**options)})

        called.__signature__ = signature  # type: ignore[attr-defined]
        return called

    return spread
