"""Answers of networks that repeat, against the network of all steps written out."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import mmgraph as mm
from mmgraph.graph.errors import (
    EvidenceError,
    GraphError,
    MemoryBudgetError,
    MmgraphError,
    UnknownVariableError,
    ZeroProbabilityError,
)
from mmgraph.inference.exact.slices import run


def distribution(generator: np.random.Generator, *shape: int, zeros: float = 0.0) -> np.ndarray:
    table = generator.dirichlet(np.ones(shape[-1]), shape[:-1])
    table = np.where(generator.random(table.shape) < zeros, 0, table)
    table[table.sum(-1) == 0] = 1.0
    return table / table.sum(-1, keepdims=True)


def random_network(seed: int, order: int = 1, zeros: float = 0.0) -> mm.DynamicBayesianNetwork:
    """Two chains that look at each other at random, a discrete child, a real one, an input."""
    generator = np.random.default_rng(seed)
    sizes = {"u": 2, "z": int(generator.integers(2, 4)), "w": 2, "y": 3}
    allowed = {
        "z": ["u", "z[-1]", "w[-1]", "z[-2]"],
        "w": ["z", "w[-1]", "z[-1]", "w[-2]"],
        "y": ["z", "w", "y[-1]"],
    }
    picked = {n: [p for p in names if generator.random() < 0.6] for n, names in allowed.items()}
    picked["w"] = sorted({*picked["w"], "w[-1]"})
    if order == 2:
        picked["z"] = sorted({*picked["z"], "z[-2]"})
    means, spread = generator.normal(size=(sizes["z"], 2)), np.ones((sizes["z"], 2))
    nets = []
    for number in range(order + 1):
        variables: dict[str, mm.Variable] = {"u": mm.Variable("u", 2)}
        factors = []

        def variable(name: str, known: dict[str, mm.Variable] = variables) -> mm.Variable:
            if name not in known:
                known[name] = mm.Variable(name, sizes[name.partition("[")[0]])
            return known[name]

        for child, parents in picked.items():
            usable = [p for p in parents if "[" not in p or int(p[-2]) <= min(number, order)]
            scope = [variable(p) for p in usable] + [variable(child)]
            shape = [v.cardinality for v in scope]
            table = distribution(generator, *shape, zeros=zeros)
            factors.append(mm.TableFactor(scope, table, child=scope[-1]))
        roots = [v for n, v in variables.items() if "[" in n or n == "u"]
        factors += [
            mm.TableFactor([v], np.full(v.cardinality, 1 / v.cardinality), child=v) for v in roots
        ]
        x = mm.Variable("x", shape=(2,), family="gaussian")
        factors.append(
            mm.GaussianLeaf(
                x, [variable("z")], means=means, covariances=spread, covariance="diagonal"
            )
        )
        nets.append(mm.BayesianNetwork([*variables.values(), x], factors))
    return mm.DynamicBayesianNetwork(
        nets[0], nets[-1], nets[1] if len(nets) == 3 else None, inputs=["u"]
    )


def random_evidence(seed: int, length: int) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(length, 2))
    x[generator.random((length, 2)) < 0.3] = np.nan
    cells: dict[str, np.ndarray] = {"u": generator.integers(2, size=length), "x": x}
    for name, states in (("y", 3), ("w", 2)):
        codes = generator.integers(states, size=length).astype(object)
        codes[generator.random(length) < 0.5] = None
        cells[name] = codes
    return cells


def written_out(evidence: dict[str, np.ndarray], length: int) -> dict[str, object]:
    cells: dict[str, object] = {}
    for name, column in evidence.items():
        for step in range(length):
            if name == "x":
                cells[f"x@{step}"] = [column[step]]
            elif column[step] is not None:
                cells[f"{name}@{step}"] = int(column[step])
    return cells


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(1, 2))
def test_every_answer_is_that_of_the_network_written_out(
    seed: int, length: int, order: int
) -> None:
    net = random_network(seed, order, zeros=0.15)
    evidence = random_evidence(seed, length)
    whole, cells = net.unrolled(length), written_out(evidence, length)
    inputs = length * np.log(0.5)  # the written out network models them
    total = float(mm.log_partition(whole, cells)) - inputs
    assert float(mm.log_partition(net, evidence)) == pytest.approx(total, rel=1e-10, abs=1e-10)
    if total == -np.inf:
        with pytest.raises(ZeroProbabilityError, match="sequence 0 is impossible from step"):
            mm.query(net, evidence, ["z"])
        return
    names = ["z", "w", "y"]
    answer = mm.query(net, evidence, [*names, "x"])
    referee = mm.query(whole, cells, list(whole.variables))
    assert answer.exact
    assert answer.method == "chain"
    for name in names:
        for step in range(length):
            expected = referee.marginal(f"{name}@{step}")[0]
            torch.testing.assert_close(
                answer.marginal(name)[0, step], expected, rtol=1e-9, atol=1e-10
            )
    for step in range(length):
        for moment in ("mean", "variance"):
            expected = getattr(referee, moment)(f"x@{step}")[0]
            torch.testing.assert_close(getattr(answer, moment)("x")[0, step], expected)
    expected = referee.quantile("x@0", 0.3)[0]
    torch.testing.assert_close(answer.quantile("x", 0.3)[0, 0], expected)
    best, best_whole = mm.map_query(net, evidence), mm.map_query(whole, cells)
    assert float(best.log_weight) == pytest.approx(float(best_whole.log_weight) - inputs, abs=1e-9)


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 10_000))
def test_the_log_domain_agrees_and_answers_where_raised_cells_matter(seed: int) -> None:
    net, evidence = random_network(seed), random_evidence(seed, 5)
    expected = mm.query(net, evidence, ["z", "w"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "_NEGLIGIBLE", -1.0)
        filtered = run.SliceRun.filtered

        def always(self: run.SliceRun) -> np.ndarray:
            totals = filtered(self)
            self._any_raised = True
            return totals

        patch.setattr(run.SliceRun, "filtered", always)
        again = mm.query(net, evidence, ["z", "w"])
    for name in ("z", "w"):
        torch.testing.assert_close(again.marginal(name), expected.marginal(name))
    torch.testing.assert_close(again.log_evidence, expected.log_evidence)


def switching(stay: float, far: float) -> mm.DynamicBayesianNetwork:
    """Two states a long way apart, the second of which only follows from itself."""
    z, before = mm.Variable("z", 2), mm.Variable("z[-1]", 2)
    x = mm.Variable("x", shape=(1,), family="gaussian")

    def leaf() -> mm.GaussianLeaf:
        return mm.GaussianLeaf(
            x, [z], means=[[0.0], [far]], covariances=np.ones((2, 1)), covariance="diagonal"
        )

    first = mm.BayesianNetwork([z, x], [mm.TableFactor([z], [0.5, 0.5], child=z), leaf()])
    transition = mm.BayesianNetwork(
        [before, z, x],
        [
            mm.TableFactor([before], [0.5, 0.5], child=before),
            mm.TableFactor([before, z], [[1.0, 0.0], [1 - stay, stay]], child=z),
            leaf(),
        ],
    )
    return mm.DynamicBayesianNetwork(first, transition)


def test_what_was_all_but_excluded_comes_back() -> None:
    """Two rows speak for the first state by 1,250 nats each, three later ones against it."""
    net, rows = switching(0.9, 50.0), np.array([0.0, 0.0, 50.0, 50.0, 50.0])[:, None]
    answer = mm.query(net, {"x": rows}, ["z"])
    paths = np.array([[1] * k + [0] * (5 - k) for k in range(6)])
    moves = [[1.0, 0.0], [0.1, 0.9]]
    logs = []
    for path in paths:
        prior = np.log(0.5) + sum(np.log(moves[a][b]) for a, b in itertools.pairwise(path))
        logs.append(prior - 0.5 * (((rows[:, 0] - 50.0 * path) ** 2) + np.log(2 * np.pi)).sum())
    total = np.logaddexp.reduce(logs)
    weights = np.exp(np.array(logs) - total)
    assert float(answer.log_evidence) == pytest.approx(total, rel=1e-10)
    np.testing.assert_allclose(
        answer.marginal("z")[0, :, 1].numpy(), (weights[:, None] * paths).sum(0), atol=1e-9
    )


def test_pieces_and_sequences_of_any_length_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    net = random_network(3)
    parts = [random_evidence(s, n) for s, n in enumerate([70, 1, 200])]
    together = {name: [part[name] for part in parts] for name in parts[0]}
    whole = mm.query(net, together, ["z", "y"])
    best = mm.map_query(net, together).states
    monkeypatch.setattr(run, "_PIECE_CELLS", 1)
    drawn = [mm.sample(net, 2, together, torch.Generator().manual_seed(0)).codes]
    monkeypatch.setattr(run, "_STORED_BYTES", 0)
    pieces = mm.query(net, together, ["z", "y"])
    drawn.append(mm.sample(net, 2, together, torch.Generator().manual_seed(0)).codes)
    for name, codes in mm.map_query(net, together).states.items():
        assert torch.equal(codes, best[name])
        assert torch.equal(drawn[0][name], drawn[1][name])
    monkeypatch.setattr(run, "_LEAST_PRODUCT", np.inf)
    in_logs = mm.query(net, together, ["z", "y"])
    torch.testing.assert_close(in_logs.log_evidence, whole.log_evidence)
    assert whole.lengths == (70, 1, 200)
    assert float(whole.marginal("z")[1, 1:].abs().max()) == 0.0
    for number, part in enumerate(parts):
        alone = mm.query(net, part, ["z", "y"])
        length = len(part["u"])
        for name in ("z", "y"):
            torch.testing.assert_close(whole.marginal(name), pieces.marginal(name))
            torch.testing.assert_close(whole.marginal(name), in_logs.marginal(name))
            torch.testing.assert_close(
                whole.marginal(name)[number, :length], alone.marginal(name)[0]
            )


def test_drawn_paths_have_the_marginals() -> None:
    net, evidence = random_network(5), random_evidence(5, 4)
    drawn = mm.sample(net, 1500, evidence, torch.Generator().manual_seed(0))
    again = mm.sample(net, 1500, evidence, torch.Generator().manual_seed(0))
    marginal = mm.query(net, evidence, ["z"]).marginal("z")[0]
    share = torch.nn.functional.one_hot(drawn.codes["z"], marginal.shape[1]).double().mean(0)
    assert (share - marginal).abs().max() < 4 * 0.5 / 1500**0.5
    assert torch.equal(drawn.codes["z"], again.codes["z"])
    observed = ~np.isnan(evidence["x"])
    assert (drawn["x"][:, observed] == evidence["x"][observed]).all()
    assert np.isfinite(drawn["x"]).all()


def test_nothing_observed_is_the_prior() -> None:
    net = switching(0.9, 3.0)
    answer = mm.query(net, None, ["z"], length=3)
    np.testing.assert_allclose(answer.marginal("z")[0, :, 1], [0.5, 0.45, 0.405])
    assert float(answer.log_evidence) == pytest.approx(0.0, abs=1e-12)


def test_soft_evidence_counts_as_likelihood() -> None:
    net = switching(0.9, 3.0)
    scores = np.random.default_rng(0).normal(size=(4, 2))
    soft = mm.query(net, {"z": mm.soft(scores)}, ["z"])
    states = np.array(np.meshgrid(*[[0, 1]] * 4, indexing="ij")).reshape(4, -1).T
    moves = np.array([[1.0, 0.0], [0.1, 0.9]])
    weights = np.array(
        [
            0.5 * np.prod(moves[s[:-1], s[1:]]) * np.exp(scores[np.arange(4), s].sum())
            for s in states
        ]
    )
    assert float(soft.log_evidence) == pytest.approx(np.log(weights.sum()))
    expected = (weights[:, None] * states).sum(0) / weights.sum()
    np.testing.assert_allclose(soft.marginal("z")[0, :, 1], expected)


def linear() -> mm.DynamicBayesianNetwork:
    """A real variable that follows another of its slice."""
    a, b = (mm.Variable(name, family="gaussian") for name in "ab")
    net = mm.BayesianNetwork(
        [a, b],
        [
            mm.LinearGaussian(a, [], np.zeros(0), 0.0, 1.0),
            mm.LinearGaussian(b, [a], np.ones(1), 0.0, 1.0),
        ],
    )
    return mm.DynamicBayesianNetwork(net, net)


def test_linear_gaussians_without_real_parents_are_as_leaves() -> None:
    w, before, y = mm.Variable("w", 2), mm.Variable("w[-1]", 2), mm.Variable("y", family="gaussian")

    def network(seen: mm.Factor) -> mm.DynamicBayesianNetwork:
        start = mm.TableFactor([w], [0.5, 0.5], child=w)
        moved = mm.TableFactor([before, w], [[0.9, 0.1], [0.2, 0.8]], child=w)
        passed = mm.TableFactor([before], [0.5, 0.5], child=before)
        later = mm.BayesianNetwork([before, w, y], [passed, moved, seen])
        return mm.DynamicBayesianNetwork(mm.BayesianNetwork([w, y], [start, seen]), later)

    means, variances, cells = [0.0, 3.0], [1.0, 2.0], {"y": [0.0, 3.0, None]}
    leaf = network(mm.GaussianLeaf(y, [w], means, variances, "diagonal"))
    linear = network(mm.LinearGaussian(y, [w], [[], []], means, variances))
    expected, found = (mm.query(net, cells, ["y", "w"]) for net in (leaf, linear))
    torch.testing.assert_close(found.mean("y"), expected.mean("y"))
    torch.testing.assert_close(found.quantile("y", 0.9), expected.quantile("y", 0.9))
    torch.testing.assert_close(found.log_evidence, expected.log_evidence)
    assert linear.filter().step({"y": None})["w"].tolist() == [0.5, 0.5]
    drawn = mm.sample(linear, 500, cells, torch.Generator().manual_seed(0))["y"]
    assert (drawn[:, :2] == [0.0, 3.0]).all()
    assert abs(drawn[:, 2].mean() - float(expected.mean("y")[0, 2])) < 0.4


def test_bad_questions_are_refused() -> None:
    net = random_network(1)
    evidence = random_evidence(1, 4)
    with pytest.raises(UnknownVariableError, match="no variable is called 'zz'"):
        mm.query(net, {**evidence, "zz": [1, 2, 3, 4]}, ["z"])
    with pytest.raises(UnknownVariableError, match="'q'"):
        mm.query(net, evidence, ["q"])
    with pytest.raises(EvidenceError, match="sequence 0: its variables differ in length"):
        mm.query(net, {**evidence, "y": [1, 2]}, ["z"])
    with pytest.raises(EvidenceError, match="input 'u' is to be observed"):
        mm.query(net, {"x": evidence["x"]}, ["z"])
    with pytest.raises(EvidenceError, match="no steps"):
        mm.query(net, {"u": np.empty(0, int)}, ["z"])
    with pytest.raises(EvidenceError, match="length="):
        mm.query(switching(0.9, 1.0), None, ["z"])
    with pytest.raises(GraphError, match="'b' is real and depends on real variables"):
        mm.query(linear(), {"a": [1.0, 2.0]}, ["b"])
    with pytest.raises(MemoryBudgetError, match="a table of"):
        mm.query(net, evidence, ["z"], method="chain", memory_budget=10)
    with pytest.raises(MmgraphError, match="unknown method 'gibs'"):
        mm.query(net, evidence, ["z"], method="gibs")
    with pytest.raises(EvidenceError, match="finite"):
        mm.query(net, {**evidence, "x": np.full((4, 2), np.inf)}, ["z"])


def test_an_impossible_sequence_is_named() -> None:
    z, before = mm.Variable("z", ["a", "b"]), mm.Variable("z[-1]", ["a", "b"])
    first = mm.BayesianNetwork([z], [mm.TableFactor([z], [1.0, 0.0], child=z)])
    transition = mm.BayesianNetwork(
        [before, z],
        [
            mm.TableFactor([before], [0.5, 0.5], child=before),
            mm.TableFactor([before, z], [[0.5, 0.5], [0.0, 1.0]], child=z),
        ],
    )
    net = mm.DynamicBayesianNetwork(first, transition)
    rows = {"z": [["a", "b", "b"], ["a", None, "b", "a"]]}
    with pytest.raises(
        ZeroProbabilityError, match="sequence 1 is impossible from step 3 on"
    ) as error:
        mm.query(net, rows, ["z"])
    assert error.value.rows == (1,)
    assert mm.log_partition(net, rows)[1] == -np.inf
    assert float(mm.log_partition(net, rows)[0]) == pytest.approx(np.log(0.5))
    with pytest.raises(ZeroProbabilityError, match="sequence 1"):
        mm.map_query(net, rows)


def test_labels_end_with_their_sequence() -> None:
    z, before = mm.Variable("z", ["calm", "busy"]), mm.Variable("z[-1]", ["calm", "busy"])
    first = mm.BayesianNetwork([z], [mm.TableFactor([z], [0.5, 0.5], child=z)])
    unused = mm.TableFactor([before], [0.5, 0.5], child=before)
    step = mm.TableFactor([before, z], [[0.0, 1.0], [1.0, 0.0]], child=z)
    net = mm.DynamicBayesianNetwork(first, mm.BayesianNetwork([before, z], [unused, step]))
    evidence = {"z": [["calm", None, None], ["busy"]]}
    drawn = mm.sample(net, 2, evidence)
    assert drawn["z"].tolist() == [[["calm", "busy", "calm"]] * 2, [["busy", None, None]] * 2]
    best = mm.map_query(net, evidence)
    assert list(best.labels(1).values()) == ["busy", None, None]


@pytest.mark.parametrize("chance", [1e-150, 1e-300])
def test_moves_that_are_all_but_impossible_are_made(chance: float) -> None:
    """The states 0, 1, 2 in turn, each by such a move; the last step asks for the last."""
    z, before = mm.Variable("z", 3), mm.Variable("z[-1]", 3)
    x, y = mm.Variable("x", shape=(1,), family="gaussian"), mm.Variable("y", 2)

    def emitted() -> list[mm.Factor]:
        leaf = mm.GaussianLeaf(
            x, [z], means=[[0.0], [20], [0]], covariances=np.ones((3, 1)), covariance="diagonal"
        )
        return [leaf, mm.TableFactor([z, y], [[1.0, 0], [1, 0], [0, 1]], child=y)]

    moves = [[1 - chance, chance, 0], [0, 1 - chance, chance], [0, 0, 1.0]]
    net = mm.DynamicBayesianNetwork(
        mm.BayesianNetwork([z, x, y], [mm.TableFactor([z], [1.0, 0, 0], child=z), *emitted()]),
        mm.BayesianNetwork(
            [before, z, x, y],
            [
                mm.TableFactor([before], np.full(3, 1 / 3), child=before),
                mm.TableFactor([before, z], moves, child=z),
                *emitted(),
            ],
        ),
    )
    cells = {"x": np.zeros((3, 1)), "y": [None, None, 1]}
    answer = mm.query(net, cells, ["z"])
    expected = 2 * np.log(chance) - 200 - 1.5 * np.log(2 * np.pi)
    assert float(answer.log_evidence) == pytest.approx(expected)
    assert float(mm.log_partition(net, cells)) == pytest.approx(expected)
    np.testing.assert_allclose(answer.marginal("z")[0], np.eye(3), atol=1e-12)
