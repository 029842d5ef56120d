"""Arrays as users have them give the same answer, or an error that says which number is wrong."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import mmgraph as mm
from mmgraph.graph.arrays import float_array, float_tensor, log_potentials, whole_numbers
from mmgraph.graph.errors import EvidenceError, GraphError, LearningError, UnknownStateError


def _in_records(array: np.ndarray) -> np.ndarray:
    records = np.zeros(array.shape, [("odd", np.int8), ("value", array.dtype)])
    records["value"] = array
    return records["value"]


LAYOUTS = {
    "reversed": lambda a: a[::-1].copy()[::-1],
    "every second": lambda a: np.repeat(a, 2, axis=0)[::2],
    "Fortran": np.asfortranarray,
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "little-endian": lambda a: a.astype(a.dtype.newbyteorder("<")),
    "long double": lambda a: a.astype(np.longdouble),
    "objects": lambda a: a.astype(object),
    "read-only": lambda a: np.lib.stride_tricks.as_strided(a, writeable=False),
    "nothing masked": np.ma.array,
    "list": lambda a: a.tolist(),
    "list of arrays": list,
    "list of lists of arrays": lambda a: [list(part) if part.ndim > 1 else part for part in a],
    "field of records": lambda a: _in_records(a),
    "list of lists of tensors": lambda a: [list(torch.from_numpy(part.copy())) for part in a],
    "list of tensors": lambda a: list(torch.from_numpy(a.copy())),
    "tensor": lambda a: torch.from_numpy(a.copy()),
}
SHAPES = arrays.array_shapes(min_dims=2, max_dims=3, max_side=4)


@pytest.mark.parametrize("layout", LAYOUTS)
@given(array=arrays.arrays(np.float64, SHAPES, elements=st.floats(-1e6, 1e6)))
@settings(max_examples=10)
def test_real_numbers_in_every_layout(layout, array):
    tensor = float_tensor(LAYOUTS[layout](array), "these")
    assert tensor.dtype == torch.float64
    assert np.array_equal(tensor.numpy(), array)


@pytest.mark.parametrize("layout", LAYOUTS)
@given(array=arrays.arrays(np.int64, SHAPES, elements=st.integers(-(2**53), 2**53)))
@settings(max_examples=10)
def test_whole_numbers_in_every_layout(layout, array):
    tensor = whole_numbers(LAYOUTS[layout](array), "these")
    assert tensor.dtype == torch.int64
    assert np.array_equal(tensor.numpy(), array)


def test_precision_and_gradients_are_kept():
    assert float_tensor(np.ones(2, np.float32), "these").dtype == torch.float32
    assert float_tensor([0.1, 0.2], "these").dtype == torch.float64
    assert float_tensor(np.ones(2, np.uint16), "these").dtype == torch.float64
    leaf = torch.ones(2, requires_grad=True)
    assert float_tensor(leaf, "these") is leaf
    nested = float_tensor([[leaf, 2 * leaf], [leaf, leaf]], "these")
    assert nested.requires_grad
    assert nested.shape == (2, 2, 2)
    shared = np.zeros(3)
    float_tensor(shared, "these")[0] = 1.0
    assert shared[0] == 1.0  # no copy where none is needed


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ([[0, 1], [1, 1.5]], r"1.5 at \(1, 1\) is no whole number"),
        ([[0, np.inf]], r"inf at \(0, 1\)"),
        ([[0, np.nan]], r"nan at \(0, 1\)"),
        ([[0, 1e30]], r"1e\+30 at \(0, 1\)"),
        ([[0, 2**70]], r"1.18059e\+21 at \(0, 1\)"),
        (np.array([[0, 2**63]], np.uint64), r"9.22337e\+18 at \(0, 1\)"),
        (torch.from_numpy(np.array([[0, 2**63]], np.uint64)), r"9.22337e\+18 at \(0, 1\)"),
        (np.array([[0, True]], object), "whole numbers were expected"),
        (torch.tensor([[0, 1.5]]), r"1.5 at \(0, 1\)"),
        (torch.tensor([[0, torch.inf]]), r"inf at \(0, 1\)"),
        (np.array([[False, True]]), "not bool"),
        ([["a", "b"]], "whole numbers were expected"),
        (np.ma.masked_equal([[0, 1], [1, 2]], 2), r"a mask hides 1 of 4 .* at \(1, 1\)"),
        ([[0, 1], [2]], "not an array of numbers"),
    ],
)
def test_nodes_are_checked_before_they_are_cast(wrong, message):
    with pytest.raises(GraphError, match=message):
        mm.MarkovRandomField.from_edges(wrong, states=2)
    with pytest.raises(GraphError, match=message):
        mm.PairwiseFactor(mm.Variable("label", 2, shape=(9,)), wrong, mm.Potts())


def _field() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(4, 5, 3))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_field_does_not_depend_on_how_its_arrays_lie(layout):
    unary, turn = _field(), LAYOUTS[layout]
    table, weights = np.arange(9.0).reshape(3, 3), np.linspace(0.1, 0.4, 40).reshape(2, 4, 5)
    plain = mm.MarkovRandomField.grid(unary, table, weights)
    turned = mm.MarkovRandomField.grid(turn(unary), turn(table), turn(weights))
    options = {"method": "belief_propagation", "iterations": 20}
    assert np.array_equal(turned.predict_proba(**options), plain.predict_proba(**options))
    pairs = np.array([[0, 1], [1, 2], [3, 2]])
    chain = mm.MarkovRandomField.from_edges(pairs, unary[0])
    turned = mm.MarkovRandomField.from_edges(turn(pairs), turn(unary[0]))
    assert np.array_equal(turned.predict_proba(), chain.predict_proba())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_tables_and_evidence_do_not_depend_on_how_they_lie(layout):
    turn = LAYOUTS[layout]
    a, b = mm.Variable("a", 2), mm.Variable("b", 3)
    values = np.array([[1.0, 2, 3], [4, 5, 7]])
    table = mm.TableFactor([a, b], turn(values))
    assert np.array_equal(table.values.numpy(), values)
    graph = mm.FactorGraph([a, b], [table])
    soft = mm.soft(turn(np.log(values[:, :1].repeat(3, 1))))  # two rows that say nothing
    found = mm.query(graph, {"b": soft}, "b").marginal("b")
    assert np.allclose(found.numpy(), values.sum(0) / values.sum())


def test_masked_elements_say_nothing():
    unary = _field()
    hidden = np.zeros((4, 5), bool)
    hidden[1, 2] = hidden[3, 0] = True
    masked = np.ma.array(unary, mask=np.repeat(hidden[..., None], 3, -1))
    masked.data[hidden] = 1e6  # what a mask hides may be anything
    neutral = np.where(hidden[..., None], 0.0, unary)
    expected = mm.MarkovRandomField.grid(neutral).predict_proba()
    for given_ in (masked, list(masked), [list(row) for row in masked]):
        assert np.allclose(mm.MarkovRandomField.grid(given_).predict_proba(), expected)
    field = mm.MarkovRandomField.grid(shape=(4, 5), states=3)
    for given_ in (masked, list(masked), [list(row) for row in masked]):
        assert np.allclose(field.predict_proba({"label": mm.soft(given_)}), expected)
    chances = np.ma.array(np.exp(masked.filled(0.0)), mask=masked.mask)
    for written in (chances, {k: chances[..., k] for k in range(3)}):
        evidence = {"label": mm.soft(probabilities=written)}
        assert np.allclose(field.predict_proba(evidence), expected)


def test_an_element_is_masked_as_a_whole():
    masked = np.ma.masked_greater(_field(), 1.2)
    place = np.argwhere(masked.mask.any(-1))[0].tolist()
    with pytest.raises(GraphError, match=rf"some states of element \({place[0]}, {place[1]}\)"):
        mm.MarkovRandomField.grid(masked)
    field = mm.MarkovRandomField.grid(shape=(4, 5), states=3)
    with pytest.raises(EvidenceError, match="soft evidence for 'label': the mask hides some"):
        field.predict({"label": mm.soft(masked)})


@pytest.mark.parametrize(
    "build",
    [
        lambda m: mm.MarkovRandomField.grid(_field(), weights=m(np.ones((2, 4, 5)))),
        lambda m: mm.MarkovRandomField.grid(_field(), m(np.ones((3, 3)))),
        lambda m: mm.TableFactor([mm.Variable("a", 2)], m(np.ones(2))),
        lambda m: mm.BayesianNetwork.from_tables([], {"a": m(np.full(2, 0.5))}),
        lambda m: mm.MarkovRandomField.from_edges(
            [[0, 1], [1, 2]], np.zeros((3, 2)), weights=m(np.ones(2))
        ),
    ],
)
def test_what_needs_every_number_refuses_a_mask(build):
    def masked(array):
        return np.ma.array(array, mask=np.arange(array.size).reshape(array.shape) == 1)

    with pytest.raises(GraphError, match=r"a mask hides 1 of .* numbers, the first at"):
        build(masked)
    build(np.ma.array)


def test_masked_weights_of_rows_are_refused():
    net = mm.BayesianNetwork.from_tables([], {"a": [0.5, 0.5]})
    weights = np.ma.masked_equal([1.0, 2.0], 2.0)
    with pytest.raises(LearningError, match="a mask hides 1 of 2 numbers, the first at 1"):
        net.fit({"a": [0, 1]}, weights=weights)


def test_masked_cells_are_missing():
    states = np.ma.masked_equal([[0, 1, 0], [2, 0, 0]], 2)
    field = mm.MarkovRandomField.grid(np.zeros((2, 3, 3)))
    for written in (
        states, list(states), [list(states)], mm.index(states), mm.index([[0, 1, 0], [None, 0, 0]]),
        mm.index([list(states)]),
    ):  # fmt: skip
        codes = mm.Evidence.of({"label": written}, field.variables).hard("label")
        assert codes.tolist() == [[[0, 1, 0], [-1, 0, 0]]]
    cells = mm.Evidence.of({"a": [0, np.ma.masked]}, {"a": mm.Variable("a", 2)})
    assert cells.codes[:, 0].tolist() == [0, -1]
    with pytest.raises(UnknownStateError, match=r"row 0, element \[0, 1\].* 1.5"):
        field.predict({"label": mm.index([[0, 1.5, 0], [None, 0, 0]])})


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_a_bad_unary_names_its_first_element(number):
    unary = _field()
    unary[2, 3, 1] = number
    message = r"log-potential of \[2, 3\] of 'label', state 1, is NaN or \+inf"
    with pytest.raises(GraphError, match=message):
        mm.MarkovRandomField.grid(unary)
    with pytest.raises(EvidenceError, match=r"row 0, element \[2, 3\], state 1"):
        mm.MarkovRandomField.grid(shape=(4, 5), states=3).predict({"label": mm.soft(unary)})


def test_an_assignment_holds_indices_of_states():
    field = mm.MarkovRandomField.grid(_field())
    labels = np.arange(20).reshape(4, 5) % 3
    turned = field.energy({"label": labels[::-1].copy()[::-1]})
    assert torch.equal(turned, field.energy({"label": labels}))
    with pytest.raises(GraphError, match=r"'label': 0.5 at \(0, 0\) is no whole number"):
        field.energy({"label": labels + 0.5})
    with pytest.raises(GraphError, match=r"gives the state 3 at \(0, 2\); there are 3"):
        field.energy({"label": labels + 1})


def test_a_conditional_random_field_reads_arrays_alike():
    scores, seen = _field(), _field()[..., 0]
    crf = mm.ConditionalRandomField(3, ["optical"])
    hidden = np.zeros((4, 5), bool)
    hidden[2, 2] = True
    plain = crf.graph({"optical": scores}, {"optical": seen}, missing={"optical": hidden})
    masked = {"optical": np.ma.array(scores, mask=np.repeat(hidden[..., None], 3, -1))}
    turned = crf.graph(masked, {"optical": np.ma.array(seen, mask=hidden)})
    backwards = {"optical": hidden[::-1].copy()[::-1]}
    reversed_ = crf.graph({"optical": scores}, {"optical": seen.astype(">f4")}, missing=backwards)
    labels = torch.zeros(4, 5, dtype=torch.int64)
    energy = plain.energy({"label": labels})
    assert torch.allclose(turned.energy({"label": labels}), energy)
    assert torch.allclose(reversed_.energy({"label": labels}), energy, atol=1e-5)
    with pytest.raises(LearningError, match=r"the labels: 0.5 at \(0, 0\)"):
        crf.fit(mm.LabelledImage({"optical": scores}, np.full((4, 5), 0.5)))
    with pytest.raises(LearningError, match=r"the labels: 1e\+30 at \(0, 0\)"):
        crf.fit(mm.LabelledImage({"optical": scores}, np.full((4, 5), 1e30)))


def test_what_is_no_array_of_numbers():
    with pytest.raises(GraphError, match="these: not an array of numbers, but of texts"):
        float_tensor(np.array(["1"]), "these")
    with pytest.raises(GraphError, match="these: real numbers were expected, not 'x'"):
        float_tensor(np.array([1, "x"], object), "these")
    with pytest.raises(GraphError, match="complex"):
        float_tensor(np.ones(2, complex), "these")
    with pytest.raises(GraphError, match="not bool"):
        float_tensor([True, False], "these")
    assert float_array(np.array([True, False]), "these").tolist() == [1.0, 0.0]
    assert float_array([True, False], "these").tolist() == [1.0, 0.0]
    reals = mm.Evidence.of(
        {"x": [[np.ma.masked_equal([1.0, 9.0], 9.0)]]},
        {"x": mm.Variable("x", shape=(1, 2), family="gaussian")},
    )
    assert reals.values["x"].isnan().tolist() == [[[False, True]]]
    assert log_potentials(np.ma.masked_all(3), "these").tolist() == [0, 0, 0]
