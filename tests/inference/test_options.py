"""Options as keywords outside, and as a record inside."""

from __future__ import annotations

import inspect
from dataclasses import dataclass

import pytest

from mmgraph.inference.options import keyword_options
from mmgraph.inference.sampling.gibbs import gibbs


@dataclass(frozen=True)
class Options:
    draws: int = 3
    name: str = "a"


@keyword_options(Options)
def answered(graph: str, evidence: str = "none", *, options: Options) -> tuple[str, str, Options]:
    return graph, evidence, options


def test_fields_are_keywords_with_their_defaults():
    assert answered("g") == ("g", "none", Options())
    assert answered("g", "e", name="b") == ("g", "e", Options(name="b"))
    assert answered("g", "e", 5) == ("g", "e", Options(5))
    assert list(inspect.signature(answered).parameters) == ["graph", "evidence", "draws", "name"]


def test_unknown_names_are_refused_by_name():
    with pytest.raises(TypeError, match="colours"):
        answered("g", colours=3)
    with pytest.raises(TypeError, match="graph"):
        answered(draws=2)


def test_the_signature_of_a_sampler_shows_all_its_options():
    parameters = inspect.signature(gibbs).parameters
    assert {"variables", "draws", "thinning", "generator", "threads"} <= parameters.keys()
    assert "options" not in parameters
