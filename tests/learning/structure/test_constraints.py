import numpy as np
import pytest

from mmgraph.graph.errors import LearningError, UnknownVariableError
from mmgraph.learning.structure.constraints import Constraints

NAMES = ("gene", "snp", "tumour", "edge", "diagnosis")
MODALITIES = {"gene": "genome", "snp": "genome", "tumour": "image", "edge": "image"}


def of(**constraints):
    return Constraints.of(NAMES, MODALITIES, **constraints)


def edges(mask):
    return {(NAMES[a], NAMES[b]) for a, b in zip(*np.nonzero(mask), strict=True)}


def test_without_constraints_everything_is_allowed_but_loops():
    free = of()
    assert (free.allowed == ~np.eye(5, dtype=bool)).all()
    assert not free.required.any()
    assert free.max_parents == 4
    assert free.free
    assert Constraints.of([]).max_parents == 0


def test_tiers_forbid_what_runs_back_and_leave_the_rest():
    tiers = of(tiers=[["genome"], ["image"], "diagnosis"])
    assert edges(~tiers.allowed & ~np.eye(5, dtype=bool)) == {
        *(("tumour", x) for x in ("gene", "snp")),
        *(("edge", x) for x in ("gene", "snp")),
        *(("diagnosis", x) for x in NAMES[:4]),
    }
    assert not tiers.free
    partly = of(tiers=[["snp"], ["tumour"]])
    assert edges(~partly.allowed & ~np.eye(5, dtype=bool)) == {("tumour", "snp")}


def test_edges_of_modalities_are_those_of_their_variables():
    made = of(
        forbidden=[("image", "genome"), ("image", "image")],
        required=[("gene", "tumour")],
        leaves=["diagnosis"],
        roots=["genome"],
        max_parents=2,
    )
    barred = edges(~made.allowed & ~np.eye(5, dtype=bool))
    assert {("tumour", "gene"), ("edge", "tumour"), ("snp", "gene"), ("diagnosis", "edge")} < barred
    assert not {("gene", "edge"), ("tumour", "diagnosis")} & barred
    assert edges(made.required) == {("gene", "tumour")}
    assert made.max_parents == 2


def test_a_modality_of_one_variable_is_that_variable():
    alone = {"gene": "gene", "tumour": "picture"}
    made = Constraints.of(NAMES, alone, required=[("gene", "picture")])
    assert edges(made.required) == {("gene", "tumour")}


@pytest.mark.parametrize(
    ("constraints", "message"),
    [
        ({"tiers": [["gene"], ["genome"]]}, "'gene' stands in tier 1 and in tier 2"),
        (
            {"required": [("gene", "edge")], "forbidden": [("genome", "image")]},
            "gene -> edge contradicts a forbidden edge",
        ),
        (
            {"required": [("edge", "gene")], "tiers": [["genome"], ["image"]]},
            "edge -> gene contradicts the tiers",
        ),
        ({"required": [("edge", "gene")], "roots": ["gene"]}, "contradicts a root"),
        ({"required": [("edge", "gene")], "leaves": ["image"]}, "contradicts a leaf"),
        (
            {"required": [("gene", "snp"), ("snp", "edge"), ("edge", "gene")]},
            "cycle: gene -> snp -> edge -> gene",
        ),
        (
            {"required": [("gene", "edge"), ("snp", "edge")], "max_parents": 1},
            "'edge' has 2 required parents",
        ),
        ({"required": [("genome", "edge")]}, "gene, snp"),
        ({"required": [("gene", "gene")]}, "joins a variable to itself"),
        ({"forbidden": ["gene"]}, "'gene' is not a pair"),
        ({"max_parents": -1}, "max_parents is a number from 0 on, not -1"),
        ({"max_parents": True}, "not True"),
    ],
)
def test_contradictions_are_refused_by_name(constraints, message):
    with pytest.raises(LearningError, match=message):
        of(**constraints)


@pytest.mark.parametrize("kind", ["tiers", "roots", "leaves", "required", "forbidden"])
def test_an_unknown_name_is_refused_with_the_nearest(kind):
    entries = {"tiers": [["genom"]], "roots": ["genom"], "leaves": ["genom"]}
    with pytest.raises(UnknownVariableError, match=r"'genom'.*did you mean 'genome'"):
        of(**{kind: entries.get(kind, [("genom", "edge")])})


def test_a_name_of_a_variable_and_of_others_modality_is_refused_where_it_stands():
    modalities = {"gene": "edge"}
    Constraints.of(NAMES, modalities, roots=["gene"])
    with pytest.raises(LearningError, match="both a variable and a modality"):
        Constraints.of(NAMES, modalities, roots=["edge"])
    with pytest.raises(LearningError, match="'gene' is given twice"):
        Constraints.of(["gene", "gene"])


def test_graphs_are_checked():
    made = of(forbidden=[("gene", "snp")], required=[("gene", "edge")], max_parents=1)
    graph = made.required.copy()
    made.check(graph, "the start")
    graph[0, 1] = True
    with pytest.raises(LearningError, match="the start has the edge gene -> snp"):
        made.check(graph, "the start")
    with pytest.raises(LearningError, match="lacks the edge gene -> edge"):
        made.check(np.zeros((5, 5), dtype=bool), "the start")
    graph = made.required.copy()
    graph[2, 3] = True
    with pytest.raises(LearningError, match="gives 'edge' 2 parents"):
        made.check(graph, "the start")
