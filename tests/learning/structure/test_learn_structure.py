import numpy as np
import pandas as pd
import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import FormatError, LearningError, UnknownVariableError
from mmgraph.learning.counts import IncompleteDataError
from mmgraph.learning.structure.constraints import Constraints
from mmgraph.learning.structure.graphs.equivalence import cpdag, structural_hamming_distance
from mmgraph.learning.structure.learn_structure import ImpossibleEdgesWarning
from mmgraph.learning.structure.reading import structure_data
from mmgraph.learning.structure.scores.records import empty_memo
from mmgraph.learning.structure.searches.climbing import climb


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def chain(rows=600, seed=0):
    """gene -> scan -> note, each mostly a copy."""
    random = np.random.default_rng(seed)
    gene = random.integers(0, 2, rows)
    scan = np.where(random.random(rows) < 0.85, gene, 1 - gene)
    note = np.where(random.random(rows) < 0.85, scan, 1 - scan)
    return pd.DataFrame({"gene": gene, "scan": scan, "note": note})


def test_a_search_from_nothing_is_no_worse_than_one_from_the_true_graph():
    net = mm.read("alarm")
    frame = mm.sample(net, 10_000, generator=seeded(11)).to_frame()
    learned = mm.learn_structure(frame, generator=seeded())
    data = structure_data(frame)
    true = np.zeros((37, 37), bool)
    for cause, effect in net.edges:
        true[data.names.index(cause), data.names.index(effect)] = True
    from_true = true.copy()
    rows = data.scored_rows(Constraints.of(data.names))
    score = climb(rows, empty_memo(37), from_true)
    assert learned.score >= score - 1e-6
    distance = structural_hamming_distance(cpdag(learned.adjacency), cpdag(true))
    assert distance <= max(structural_hamming_distance(cpdag(from_true), cpdag(true)), 4)


def test_tiers_of_modalities_direct_edges():
    modalities = {"gene": "genome", "scan": "image", "note": "text"}
    learned = mm.learn_structure(
        chain(), tiers=[["genome"], ["image"], ["text"]], modalities=modalities
    )
    assert learned.edges == [("gene", "scan"), ("scan", "note")]
    assert learned.cpdag == (learned.edges, [])
    assert learned.modalities == modalities
    backwards = mm.learn_structure(
        chain(), tiers=[["text"], ["image", "genome"]], **{"modalities": modalities}
    )
    assert ("note", "scan") in backwards.edges


def test_without_constraints_a_chain_may_run_either_way():
    directed, undirected = mm.learn_structure(chain()).cpdag
    assert directed == []
    assert {frozenset(e) for e in undirected} == {
        frozenset(("gene", "scan")),
        frozenset(("scan", "note")),
    }


def test_experiments_direct_edges():
    frame = chain(400)
    random = np.random.default_rng(1)
    # In these rows the scan was set by hand: it follows nothing, and the note follows it.
    scan = random.integers(0, 2, 400)
    note = np.where(random.random(400) < 0.85, scan, 1 - scan)
    gene = random.integers(0, 2, 400)
    done = pd.DataFrame({"gene": gene, "scan": scan, "note": note})
    both = pd.concat([frame.assign(set_by=None), done.assign(set_by="scan")])
    learned = mm.learn_structure(both, interventions="set_by")
    assert learned.edges == [("gene", "scan"), ("scan", "note")]
    assert learned.cpdag[1] == []


def test_mixed_tables_make_conditional_linear_gaussian_networks():
    random = np.random.default_rng(0)
    label = random.integers(0, 3, 500)
    first = label * 2.0 + random.normal(size=500)
    second = first - label + random.normal(size=500)
    frame = pd.DataFrame({"second": second, "label": label, "first": first})
    with pytest.warns(ImpossibleEdgesWarning, match="second -> label, first -> label"):
        learned = mm.learn_structure(frame)
    assert mm.learn_structure(frame, roots=["label"]).edges == learned.edges
    assert ("label", "first") in learned.cpdag[0]
    net = mm.BayesianNetwork.from_data(frame, learned.edges)
    assert np.isfinite(net.score(frame))
    with pytest.raises(LearningError, match="first -> label is required, from measurements"):
        mm.learn_structure(frame, required=[("first", "label")])


def test_weights_count_as_repeated_rows():
    frame = chain(50)
    times = np.random.default_rng(0).integers(0, 4, 50)
    once = mm.learn_structure(frame.assign(times=times), weights="times")
    repeated = mm.learn_structure(frame.loc[np.repeat(np.arange(50), times)])
    assert once.score == pytest.approx(repeated.score)
    assert once.edges == repeated.edges


@pytest.mark.parametrize("score", ["bic", "aic", "bdeu", "bds", "k2", "held-out"])
def test_every_score_finds_the_edges_of_a_chain(score):
    learned = mm.learn_structure(chain(), score=score, generator=seeded())
    pairs = {frozenset(e) for e in learned.edges}
    assert pairs >= {frozenset(("gene", "scan")), frozenset(("scan", "note"))}
    assert np.isfinite(learned.score)


def test_a_bootstrap_is_seeded_and_does_not_depend_on_threads():
    options = {"bootstrap": 8, "method": "orders"}
    one = mm.learn_structure(chain(120), generator=seeded(3), threads=1, **options)
    two = mm.learn_structure(chain(120), generator=seeded(3), threads=2, **options)
    assert one.confidence == two.confidence
    assert one.edge_confidence[frozenset(("gene", "scan"))] == 1.0
    assert one.confidence["gene", "scan"] == pytest.approx(0.5, abs=0.26)


def test_groups_are_drawn_and_held_out_as_a_whole():
    frame = chain(200).assign(person=np.arange(200) // 20)
    learned = mm.learn_structure(
        frame, groups="person", bootstrap=4, score="held-out", generator=seeded()
    )
    assert "person" not in learned.names
    assert learned.confidence


def test_missing_cells_are_refused_or_scored_where_known():
    frame = chain().astype(object)
    frame.loc[::7, "scan"] = None
    with pytest.raises(IncompleteDataError, match="'scan' is missing in 86 of 600 rows"):
        mm.learn_structure(frame)
    for missing in ("available", "em"):
        learned = mm.learn_structure(frame, missing=missing, generator=seeded())
        pairs = {frozenset(e) for e in learned.edges}
        assert {frozenset(("gene", "scan")), frozenset(("scan", "note"))} <= pairs


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"score": "bicc"}, LearningError, "did you mean 'bic'"),
        ({"method": "order"}, LearningError, "did you mean 'orders'"),
        ({"score": "bge"}, LearningError, "'gene' has states"),
        ({"restart": 3}, LearningError, "'restart'; did you mean 'restarts'"),
        ({"interventions": "set"}, UnknownVariableError, "'set', which is no column"),
        ({"interventions": "note"}, UnknownVariableError, "name '0', which is no variable"),
        ({"tiers": [["gene"], ["gene", "scan"]]}, LearningError, "tiers are cyclic: 'gene'"),
        (
            {"required": [("gene", "scan")], "forbidden": [("gene", "scan")]},
            LearningError,
            "gene -> scan contradicts a forbidden edge",
        ),
        ({"start": [("gene", "scann")]}, UnknownVariableError, "did you mean 'scan'"),
        ({"strength": 0.0}, LearningError, "positive, not 0.0"),
        ({"held_out": 2}, LearningError, "share of the rows, not 2"),
        ({"restarts": "a"}, LearningError, "restarts is a whole number from 0 on, not 'a'"),
        ({"bootstrap": 1.5}, LearningError, "bootstrap is a whole number from 0 on, not 1.5"),
        ({"threshold": 1.5}, LearningError, "at most 1, not 1.5"),
        ({"threshold": 0.5}, LearningError, "say bootstrap="),
        ({"generator": 0}, LearningError, "a torch.Generator, not 0"),
        ({"score": "held-out", "held_out": 1e-9}, LearningError, "rows on both sides"),
        ({"variables": ["gene"]}, LearningError, "has 1 variables; a graph needs two"),
        ({"method": "pc", "weights": np.full(600, 0.5)}, LearningError, "whole"),
    ],
)
def test_what_cannot_be_meant_is_refused(options, error, message):
    with pytest.raises(error, match=message):
        mm.learn_structure(chain(), **options)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"note": 0}, "'note' of the data frame is constant"),
        ({"dose": 0.5}, "'dose' is constant"),
    ],
)
def test_constant_columns_are_refused(columns, message):
    with pytest.raises(LearningError, match=message):
        mm.learn_structure(chain().assign(**columns))


def test_a_variable_that_is_always_set_is_refused():
    with pytest.raises(LearningError, match="'scan' is set by the experiment in every row"):
        mm.learn_structure(chain().assign(by="scan"), interventions="by")


def test_measurements_are_refused_where_states_are_needed():
    frame = chain().assign(dose=np.random.default_rng(0).normal(size=600))
    with pytest.raises(LearningError, match="'dose' is continuous; take bic or aic"):
        mm.learn_structure(frame, score="bdeu")


def test_rows_of_modalities_bring_groups_and_weights_that_are_no_variables():
    frame = chain(200)
    data = mm.MultimodalData.of(
        {"genome": frame[["gene"]], "image": frame[["scan"]]},
        target=frame["note"],
        groups=np.arange(200) // 10,
        weights=np.ones(200),
        times=np.arange(200.0),
    )
    learned = mm.learn_structure(data, tiers=[["genome"], ["image"]])
    assert len(learned.names) == 3
    assert learned.modalities["scan"] == "image"


def independent(rows, columns=6, states=2, seed=0):
    random = np.random.default_rng(seed)
    return pd.DataFrame({f"v{i}": random.integers(0, states, rows) for i in range(columns)})


def test_chance_differences_between_known_rows_are_no_edges():
    frame = independent(1000, 10).astype(object)
    frame = frame.mask(np.random.default_rng(1).random(frame.shape) < 0.3)
    assert len(mm.learn_structure(frame, missing="available").edges) <= 2
    with pytest.raises(LearningError, match="take 'tabu' or 'climb', or missing='em'"):
        mm.learn_structure(frame, missing="available", method="orders")


def test_rows_of_few_patterns_are_completed_by_many_draws():
    random = np.random.default_rng(0)
    x = random.integers(0, 2, 20_000)
    y = np.where(random.random(20_000) < 0.55, x, 1 - x).astype(object)
    z = random.integers(0, 2, 20_000).astype(object)
    y[random.random(20_000) < 0.5] = None
    z[random.random(20_000) < 0.5] = None
    learned = mm.learn_structure({"x": x, "y": y, "z": z}, missing="em")
    assert [frozenset(e) for e in learned.edges] == [frozenset("xy")]


def test_weights_that_are_not_whole_leave_rows_single():
    frame = chain(300).assign(alone=np.random.default_rng(5).integers(0, 2, 300))
    whole = mm.learn_structure(frame, bootstrap=30)
    other = mm.learn_structure(frame, bootstrap=30, weights=np.full(300, 1.0 + 1e-9))
    for pair, share in other.edge_confidence.items():
        assert share == pytest.approx(whole.edge_confidence.get(pair, 0.0), abs=0.25)


def test_replicates_are_not_scored_by_copies_of_what_they_learned_from():
    learned = mm.learn_structure(independent(300, 6, 3), score="held-out", bootstrap=10)
    assert sum(learned.confidence.values()) <= 2 * len(learned.edges)


@pytest.mark.parametrize("total", [0.0, 1.0])
def test_weights_that_are_shares_are_refused(total):
    with pytest.raises(LearningError, match=f"zero or sum to {total:g}"):
        mm.learn_structure(chain(), weights=np.full(600, total / 600))


def test_experiments_without_rows_say_nothing():
    frame = chain(400).drop(columns="note")
    column = pd.Categorical([""] * 400, categories=["", "gene"])
    learned = mm.learn_structure(frame.assign(by=column), interventions="by")
    assert len(learned.cpdag[1]) == 1
    nothing = mm.learn_structure(frame.assign(by=np.nan), interventions="by")
    assert nothing.cpdag == learned.cpdag


def test_checkpoints_of_other_rows_or_options_are_refused(tmp_path):
    options = {"bootstrap": 3, "checkpoint": tmp_path / "kept"}
    once = mm.learn_structure(chain(), **options)
    assert mm.learn_structure(chain(), **options).confidence == once.confidence
    for frame, other in ((chain(seed=1), {}), (chain(), {"forbidden": [("gene", "scan")]})):
        with pytest.raises(FormatError, match="rows and constraints"):
            mm.learn_structure(frame, **options, **other)


def test_without_a_generator_answers_are_the_same():
    options = {"score": "held-out", "bootstrap": 3}
    first, second = (mm.learn_structure(chain(100), **options) for _ in range(2))
    assert (first.score, first.confidence) == (second.score, second.confidence)


def test_units_do_not_change_the_graph():
    random = np.random.default_rng(0)
    x = random.normal(size=300)
    y = x + random.normal(size=300)
    for unit in (1.0, 1e-200, 1e200, 1e307):
        assert len(mm.learn_structure({"x": x * unit, "y": y}).edges) == 1
    assert len(mm.learn_structure({"x": x + 1e9, "y": y}).edges) == 1


def test_probabilities_over_orders_are_confidence():
    learned = mm.learn_structure(chain(), confidence="orders", score="bdeu")
    assert learned.edge_confidence[frozenset(("gene", "scan"))] == pytest.approx(1.0, abs=1e-6)
    with pytest.raises(LearningError, match="leave bootstrap out"):
        mm.learn_structure(chain(), confidence="orders", bootstrap=5)


def test_what_cannot_be_scored_is_named():
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(3, 2)), columns=["a", "b"])
    with pytest.raises(LearningError, match="'a' cannot be scored with the 0 parents"):
        mm.learn_structure(frame)
    wide = independent(40, 12, 8)
    start = [(f"v{i}", "v0") for i in range(1, 12)]
    with pytest.raises(LearningError, match="'v0' cannot be scored with the 11 parents"):
        mm.learn_structure(wide, start=start)
