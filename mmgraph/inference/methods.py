"""The inference methods: a record each, of the questions that it answers, and how and where.

A new method is a function in a file of its own and a record in ``METHODS``; ``query`` and its
sisters, the command line, the labelling of images, the table of devices in the README and the tests
of all methods ask the records.
"""

from __future__ import annotations

import functools
import importlib
import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Literal

from mmgraph.graph.errors import MmgraphError, suggestion
from mmgraph.inference.numerics.counted_random import placed_generator
from mmgraph.inference.options import (
    check_device,
    check_known,
    check_types,
    is_elsewhere,
    parameters_of,
)

View = Literal["tables", "field", "layers"]
QUESTIONS = ("query", "joint", "log_partition", "map_query", "sample")


@dataclass(frozen=True)
class Method:
    """An inference method.

    Attributes
    ----------
    name : str
    functions : mapping of str to str
        The function for each question that it answers, ``module:function`` below
        ``mmgraph.inference``, or by a module's whole name if it lives on a higher floor. It takes
        the graph, the evidence, what the question asks for (the variables; of samples their number
        and a generator) and options. That for the log-partition function may return a posterior, if
        it is not exact.
    exact : bool
        Whether its answers are exact up to rounding.
    view : {"tables", "field", "layers"}
        What it takes of a graph: tables, which small layers of units are turned into; fields of
        variables, which all factors have; or layers of units and nothing else.
    takes_real : bool
        Whether it knows continuous variables that depend on each other; before others are asked,
        these are summed out.
    seeded : bool
        Whether it draws random numbers, by the option ``generator``.
    cpu_alone : str
        Empty if it runs on any device; else why not, and what to take there.
    options : mapping of str to object
        Options that its functions are called with whenever it is asked for.
    variant_of : str
        The method that it is with these options; it is not asked for by its own name.
    """

    name: str
    functions: Mapping[str, str]
    exact: bool = False
    view: View = "tables"
    takes_real: bool = False
    seeded: bool = False
    cpu_alone: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    variant_of: str = ""

    def function(self, question: str) -> Callable[..., Any]:
        """Return the function that answers a question; its module is imported at first use."""
        module, _colon, name = self.functions[question].partition(":")
        function: Callable[..., Any] = getattr(_imported(module), name)
        return function

    def parameters(self, question: str) -> tuple[str, ...]:
        """Return the options that the function for a question has."""
        subject = 2 if question == "log_partition" else 3
        return _options_of(self.function(question), subject, tuple(self.options))

    def __call__(self, question: str, *arguments: Any, **options: Any) -> Any:
        """Answer a question, by a generator on the CPU, which one that is elsewhere seeds.

        Raises MmgraphError if there is no such option, or its value is of another type.
        """
        function = self.function(question)
        names = _options_of(function, len(arguments), tuple(self.options))
        check_known(options, names, f"the method '{self.name}'")
        check_types(function, options)
        if "generator" in options:
            options["generator"] = placed_generator(options["generator"], "cpu")
        return function(*arguments, **self.options, **options)


@functools.cache
def _options_of(
    function: Callable[..., Any], arguments: int, preset: tuple[str, ...]
) -> tuple[str, ...]:
    """The parameters of a function behind its first arguments, but for preset options."""
    names = itertools.islice(parameters_of(function), arguments, None)
    return tuple(name for name in names if name not in preset)


@functools.cache
def _imported(module: str) -> ModuleType:
    whole = module if module.startswith("mmgraph.") else f"mmgraph.inference.{module}"
    return importlib.import_module(whole)


def _functions(module: str, **names: str) -> dict[str, str]:
    return {question: f"{module}:{name}" for question, name in names.items()}


def _marginals(function: str) -> dict[str, str]:
    return dict.fromkeys(("query", "log_partition"), function)


_EXACT = _functions(
    "exact.exact",
    query="marginals",
    joint="joint",
    log_partition="log_evidence",
    map_query="best_assignment",
    sample="samples",
)
_REFEREE = {question: _EXACT[question] for question in ("query", "log_partition", "map_query")}
_LAYERS = _functions(
    "exact.layer_summation",
    query="layer_summation",
    log_partition="log_evidence",
    map_query="best_assignment",
    sample="samples",
)
_GIBBS = _functions("sampling.gibbs", query="gibbs", sample="gibbs_samples")
_TEMPERING = _functions(
    "sampling.parallel_tempering", query="parallel_tempering", sample="tempered_samples"
)
_BELIEFS = _marginals("messages.belief_propagation:belief_propagation")
_CONVEX_BELIEFS = _marginals("messages.tree_reweighted:tree_reweighted")
_MEAN_FIELD = _marginals("mean_field.mean_field:mean_field")
_ANNEALING = _marginals("sampling.annealing:annealed_importance_sampling")
_BY_PYRO = "Pyro's steps are many and small; method='gibbs' or 'mean_field' of discrete variables"
_COMPILED = "its loops are compiled for the CPU; method='torch' runs the same tree"
_FOR_TESTS = "it is the referee of small graphs; method='torch' is exact, too"
_ONE_TREE_AFTER_THE_OTHER = (
    "it passes along one tree after the other; method='mean_field' with structure='naive', or "
    "'tree_reweighted', runs there"
)
_CUTS = "moves are minimum cuts, which are found one path after the other; method='trws' "


def _minimiser(module: str, name: str, cpu_alone: str = "", view: View = "tables") -> Method:
    return Method(name, _functions(module, map_query=name), view=view, cpu_alone=cpu_alone)


_ALL = (
    Method("junction_tree", _EXACT, True, cpu_alone=_COMPILED, options={"method": "junction_tree"}),
    Method("enumeration", _REFEREE, True, cpu_alone=_FOR_TESTS, options={"method": "enumeration"}),
    Method("torch", _EXACT, True, options={"method": "torch"}),
    Method("layer_summation", _LAYERS, True, "layers"),
    Method("belief_propagation", _BELIEFS),
    Method("tree_reweighted", _CONVEX_BELIEFS),
    Method("mean_field", _MEAN_FIELD, view="field"),
    Method(
        "structured_mean_field",
        _MEAN_FIELD,
        view="field",
        cpu_alone=_ONE_TREE_AFTER_THE_OTHER,
        options={"structure": "chains"},
        variant_of="mean_field",
    ),
    Method("gibbs", _GIBBS, view="field", takes_real=True, seeded=True),
    Method("parallel_tempering", _TEMPERING, view="field", seeded=True),
    Method("annealed_importance_sampling", _ANNEALING, view="field", seeded=True),
    Method(
        "nuts",
        {"query": "mmgraph.interop.pyro.sampling:nuts"},
        takes_real=True,
        seeded=True,
        cpu_alone=_BY_PYRO,
    ),
    Method(
        "svi",
        _marginals("mmgraph.interop.pyro.variational:svi"),
        takes_real=True,
        seeded=True,
        cpu_alone=_BY_PYRO,
    ),
    _minimiser("messages.belief_propagation", "max_product"),
    _minimiser("messages.trws", "trws"),
    _minimiser("minimisation.trws_and_moves", "trws_and_moves", f"{_CUTS}is the part without them"),
    _minimiser("minimisation.graph_cut", "graph_cut", f"{_CUTS}has a bound, too"),
    _minimiser("minimisation.move_making", "alpha_expansion", f"{_CUTS}has a bound, too"),
    _minimiser("minimisation.move_making", "alpha_beta_swap", f"{_CUTS}has a bound, too"),
    _minimiser("minimisation.icm", "icm", view="field"),
    _minimiser(
        "minimisation.branch_and_bound",
        "branch_and_bound",
        "toulbar2 runs there; method='trws' has a bound, too",
    ),
)
METHODS = {method.name: method for method in _ALL}
"""All methods by name."""


@functools.cache
def methods_for(question: str) -> tuple[Method, ...]:
    """Return the methods that can be asked a question by name, beside ``auto``."""
    return tuple(m for m in METHODS.values() if question in m.functions and not m.variant_of)


def is_seeded(name: str) -> bool:
    """Whether a method draws random numbers; ``auto`` takes one that does as a last resort."""
    return name in METHODS and METHODS[name].seeded


def check_method(question: str, method: str, names: Iterable[str] | None = None) -> None:
    """Raise MmgraphError if a question has no such method beside ``auto``, among ``names``."""
    names = [m.name for m in methods_for(question)] if names is None else list(names)
    if not (isinstance(method, str) and method in (*names, "auto")):
        hint = suggestion(method, names)
        raise MmgraphError(
            f"{question} knows no method {method!r}{hint} (known: {', '.join(names)})"
        )


def checked_device(question: str, method: str, device: object, options: Mapping[str, Any]) -> str:
    """Return the name of the device that a question is asked on; ``options`` may name a variant.

    Raises MmgraphError if torch does not have the device, or the method runs on the CPU alone.
    """
    name = check_device(device)
    if not is_elsewhere(name) or method == "auto":
        return name
    record = METHODS[method]
    for variant in METHODS.values():
        if variant.variant_of == method and variant.options.items() <= options.items():
            record = variant
    if record.cpu_alone:
        able = ", ".join(m.name for m in methods_for(question) if not m.cpu_alone)
        raise MmgraphError(
            f"the method '{record.name}' runs on the CPU alone, not on {name!r}: "
            f"{record.cpu_alone} (for {question} on {name!r}: {able})"
        )
    return name
