import itertools

import numpy as np
import pytest

import mmgraph as mm
from mmgraph.graph.errors import CausalError, MemoryBudgetError, UnknownVariableError


def random_models(model, sizes, seed, units=16):
    """For each combination of units of the districts: its share, and the nodes' responses."""
    generator = np.random.default_rng(seed)
    shapes = {n: [sizes[p] for p in model.graph.parents(n)] for n in model.nodes}
    districts = [
        [
            (share, {n: generator.integers(sizes[n], size=shapes[n]) for n in sorted(district)})
            for share in generator.dirichlet(np.ones(units))
        ]
        for district in model.graph.districts()
    ]
    for combination in itertools.product(*districts):
        responses = {n: table for _, some in combination for n, table in some.items()}
        yield np.prod([share for share, _ in combination]), responses


def simulated(model, sizes, seed, asked, do=()):
    """P(asked | do(do)) by enumeration, axes do and asked."""
    table = np.zeros([sizes[n] for n in (*do, *asked)])
    for share, responses in random_models(model, sizes, seed):
        for setting in itertools.product(*(range(sizes[n]) for n in do)):
            state = dict(zip(do, setting, strict=True))
            for n in model.graph.topological_order:
                parents = tuple(state[p] for p in model.graph.parents(n))
                state.setdefault(n, int(responses[n][parents]))
            table[(*setting, *(state[n] for n in asked))] += share
    return table


MODELS = {
    "bow": mm.CausalModel("xy", [("x", "y")], [("x", "y")]),
    "instrument": mm.CausalModel("zxy", [("z", "x"), ("x", "y")], [("x", "y")]),
    "confounder": mm.CausalModel("wxy", [("w", "x"), ("w", "y"), ("x", "y")], [("x", "y")]),
    "mediator": mm.CausalModel("xmy", [("x", "m"), ("m", "y")], [("x", "m")]),
    "open mediator": mm.CausalModel("xmy", [("x", "m"), ("m", "y"), ("x", "y")], [("x", "m")]),
    "all share": mm.CausalModel(
        "xmy", [("x", "m"), ("m", "y")], [("x", "m"), ("m", "y"), ("x", "y")]
    ),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("seed", range(3))
def test_the_truth_of_random_models_lies_within(name, seed):
    model = MODELS[name]
    states = np.random.default_rng(seed).integers(2, 4, len(model.nodes)).tolist()
    sizes = dict(zip(model.nodes, states, strict=True))
    sizes |= dict.fromkeys(model.nodes[:-1], 2) if "mediator" in name else {}
    if name == "all share":
        sizes = dict.fromkeys(model.nodes, 2)
    bounds = model.bounds("y", "x", simulated(model, sizes, seed, model.nodes))
    truth = simulated(model, sizes, seed, ["y"], ["x"])
    assert not model.identify("y", "x").identifiable
    assert bounds.open_nodes
    assert (bounds.lower <= truth + 1e-6).all()
    assert (truth <= bounds.upper + 1e-6).all()
    assert (bounds.upper - bounds.lower).max() > 1e-3


def test_bounds_of_a_confounded_effect_are_those_of_what_is_not_seen():
    joint = np.array([[0.1, 0.2], [0.3, 0.15], [0.05, 0.2]])
    bounds = MODELS["bow"].bounds("y", "x", joint)
    assert np.allclose(bounds.lower, joint, atol=1e-7)
    assert np.allclose(bounds.upper, 1 - joint[:, ::-1], atol=1e-7)
    assert bounds.open_nodes == ("x", "y")


def test_a_known_factor_weights_the_ends_of_the_open_one():
    sizes = dict.fromkeys("xmy", 2)
    joint = simulated(MODELS["mediator"], sizes, 2, "xmy")
    bounds = MODELS["mediator"].bounds("y", "x", joint)
    outcome = joint.sum(0)[:, 1] / joint.sum((0, 2))
    through = joint.sum(2)
    for x in range(2):
        ends = [p * outcome[1] + (1 - p) * outcome[0] for p in (through[x, 1], 1 - through[x, 0])]
        assert np.allclose(sorted(ends), [bounds.lower[x, 1], bounds.upper[x, 1]], atol=1e-6)


def test_a_graph_with_an_instrument_has_the_bounds_of_the_instrument():
    sizes = {"z": 3, "x": 2, "y": 2}
    joint = simulated(MODELS["instrument"], sizes, 7, "zxy")
    bounds = MODELS["instrument"].bounds(["y"], ["x"], joint)
    known = mm.instrument_bounds(joint / joint.sum((1, 2), keepdims=True))
    assert np.allclose(bounds.lower, known.lower, atol=1e-6)
    assert np.allclose(bounds.upper, known.upper, atol=1e-6)


def test_a_confounder_that_is_seen_is_summed_over():
    """Within each of its states the bounds are those of a bow."""
    sizes = {"w": 2, "x": 2, "y": 3}
    joint = simulated(MODELS["confounder"], sizes, 3, "wxy")
    bounds = MODELS["confounder"].bounds("y", "x", joint)
    assert np.allclose(bounds.lower, joint.sum(0), atol=1e-6)
    both = MODELS["confounder"].bounds(["w", "y"], "x", joint)
    assert both.lower.shape == (2, 2, 3)
    assert np.allclose(both.lower, joint.transpose(1, 0, 2), atol=1e-6)


def test_an_effect_that_the_joint_determines_has_one_value():
    model = mm.CausalModel("xmy", [("x", "m"), ("m", "y")], [("x", "y")])
    joint = simulated(model, {"x": 2, "m": 3, "y": 2}, 5, "xmy")
    bounds = model.bounds("y", "x", joint)
    assert bounds.open_nodes == ()
    assert np.allclose(bounds.lower, model.identify("y", "x").evaluate(joint))
    assert np.array_equal(bounds.lower, bounds.upper)


def test_what_is_not_linear_too_large_or_impossible_is_refused():
    two = mm.CausalModel("xmwy", [("x", "m"), ("m", "y"), ("w", "y")], [("x", "m"), ("w", "y")])
    uniform = np.full((2, 2, 2, 2), 1 / 16)
    with pytest.raises(CausalError, match=r"what is not known of \{m\} and \{y\}"):
        two.bounds("y", ["x", "w"], uniform)
    chain = mm.CausalModel("xmy", [("x", "m"), ("m", "y"), ("x", "y")], [("x", "m"), ("m", "y")])
    with pytest.raises(CausalError, match="'x' and 'y' share no hidden cause"):
        chain.bounds("y", "x", uniform.sum(3))
    with pytest.raises(MemoryBudgetError, match="responses of x, y"):
        MODELS["bow"].bounds("y", "x", np.full((10, 10), 0.01))
    impossible = np.zeros((2, 2, 2))
    impossible[0, 0, 0] = impossible[1, 0, 1] = 0.5
    with pytest.raises(CausalError, match="explains the joint table: at z = "):
        MODELS["instrument"].bounds("y", "x", impossible)
    with pytest.raises(CausalError, match="'x' is named twice"):
        MODELS["bow"].bounds("x", "x", uniform.sum((2, 3)))
    with pytest.raises(UnknownVariableError, match="names 'w'"):
        MODELS["bow"].bounds("w", "x", uniform.sum((2, 3)))
    with pytest.raises(CausalError, match="no outcomes"):
        MODELS["bow"].bounds([], "x", uniform.sum((2, 3)))


@pytest.mark.parametrize("text", ["xw yw", "yw"])
def test_what_shares_hidden_causes_with_the_open_nodes_narrows_the_bounds(text):
    """They are those of the instrument in each of its states, sharp if it shares with all."""
    edges = [("z", "x"), ("x", "y")]
    model = mm.CausalModel("zxyw", edges, [("x", "y"), *map(tuple, text.split())])
    sizes = dict.fromkeys("zxyw", 2)
    joint = simulated(model, sizes, 4, "zxyw")
    bounds = model.bounds("y", "x", joint)
    lower = np.zeros((2, 2))
    for w in range(2):
        within = joint[..., w]
        known = mm.instrument_bounds(within / within.sum((1, 2), keepdims=True))
        lower += within.sum() * known.lower
    assert np.allclose(bounds.lower, lower, atol=1e-6)
    wider = mm.CausalModel("zxy", edges, [("x", "y")]).bounds("y", "x", joint.sum(3))
    assert (bounds.lower - wider.lower).max() > 1e-3
    assert (bounds.lower <= simulated(model, sizes, 4, ["y"], ["x"]) + 1e-6).all()
    assert bounds.sharp == (text == "xw yw")


def test_bounds_leave_out_what_has_too_many_responses_and_are_not_sharp():
    edges = [("x", "y"), ("x", "w"), ("y", "w")]
    model = mm.CausalModel("xyw", edges, [("x", "y"), ("y", "w"), ("x", "w")])
    joint = np.random.default_rng(0).dirichlet(np.ones(36)).reshape(3, 3, 4)
    bounds = model.bounds("y", "x", joint)
    assert not bounds.sharp
    assert bounds.open_nodes == ("x", "y")
    assert np.allclose(bounds.lower, joint.sum(2), atol=1e-6)
