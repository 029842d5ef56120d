"""Effects in networks: against truncated products, closed forms and sums over worlds."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import (
    CausalError,
    UnknownStateError,
    UnknownVariableError,
    ZeroProbabilityError,
)


@pytest.fixture(scope="module")
def asia() -> mm.CausalModel:
    return mm.CausalModel.from_network(mm.read("asia"))


@pytest.fixture(scope="module")
def linear() -> mm.CausalModel:
    """y = 2 m + x + .5 z + noise, m = 3 x + z + noise, x = z + noise."""

    def regression(child, parents, slopes):
        named = [variables[p] for p in parents]
        numbers = torch.tensor(slopes, dtype=torch.float64)
        one = torch.tensor(1.0, dtype=torch.float64)
        return mm.LinearGaussian(variables[child], named, numbers, 0 * one, one)

    variables = {n: mm.Variable(n, family="gaussian") for n in "zxmy"}
    variables["m"] = mm.Variable("m", family="gaussian", modality="image")
    factors = [
        regression("z", "", []),
        regression("x", "z", [1.0]),
        regression("m", "xz", [3.0, 1.0]),
        regression("y", "mxz", [2.0, 1.0, 0.5]),
    ]
    return mm.CausalModel.from_network(mm.BayesianNetwork(variables.values(), factors))


def test_it_is_the_difference_of_two_queries(asia: mm.CausalModel):
    net = asia.network
    effect = asia.effect({"dysp": "yes"}, {"smoke": "yes"})
    set_to = {
        s: mm.query(net.do(smoke=s), None, "dysp").marginals["dysp"][0, 0] for s in ("yes", "no")
    }
    assert float(effect) == pytest.approx(float(set_to["yes"] - set_to["no"]), abs=1e-12)
    assert effect.means["smoke=yes"] == pytest.approx(float(set_to["yes"]), abs=1e-12)
    assert effect.interval is None
    given = asia.effect({"dysp": "yes"}, {"smoke": "yes"}, given={"asia": "yes"})
    by = asia.effect({"dysp": "yes"}, {"smoke": "yes"}, by="asia")
    assert float(by.parts["asia=yes"]) == pytest.approx(float(given), abs=1e-12)
    shares = mm.query(net, None, "asia").marginals["asia"][0]
    total = sum(float(s) * float(p) for s, p in zip(shares, by.parts.values(), strict=True))
    assert total == pytest.approx(float(effect), abs=1e-12)


def test_what_runs_through_mediators(asia: mm.CausalModel):
    effect = asia.effect({"dysp": "yes"}, {"smoke": "yes"}, through="bronc")
    reference = mm.effect_through(asia.network, "smoke", "dysp", "bronc", "no", "yes", "yes")
    assert float(effect) == pytest.approx(reference.natural_indirect, abs=1e-12)
    assert float(effect.parts["natural direct"]) == pytest.approx(
        reference.natural_direct, abs=1e-12
    )
    total = asia.effect({"dysp": "yes"}, {"smoke": "yes"})
    assert float(effect.parts["total"]) == pytest.approx(float(total), abs=1e-12)
    assert effect.share == pytest.approx(float(effect) / float(total))
    controlled = asia.effect(
        {"dysp": "yes"}, {"smoke": "yes"}, kind="controlled direct", through={"bronc": "no"}
    )
    means = [
        mm.query(asia.network.do(smoke=s, bronc="no"), None, "dysp").marginals["dysp"][0, 0]
        for s in ("yes", "no")
    ]
    assert float(controlled) == pytest.approx(float(means[0] - means[1]), abs=1e-12)
    none = asia.effect({"dysp": "yes"}, {"smoke": "yes"}, through="asia")
    assert float(none) == 0.0
    assert "no causal path" in none.method


def test_linear_gaussian_networks(linear: mm.CausalModel):
    assert float(linear.effect("y", {"x": 2.0}, {"x": 0.5})) == pytest.approx(1.5 * 7, abs=1e-9)
    through = linear.effect("y", "x", through="image")
    assert float(through) == pytest.approx(6.0, abs=1e-9)
    assert float(through.parts["natural direct"]) == pytest.approx(1.0, abs=1e-9)
    assert float(linear.effect("y", "x", kind="natural direct")) == pytest.approx(1.0, abs=1e-9)
    given = linear.effect("y", "x", given={"z": 3.0})
    assert float(given) == pytest.approx(7.0, abs=1e-9)
    with pytest.raises(CausalError, match="states"):
        linear.effect({"y": "high"}, "x")


def test_latent_variables_count_in_the_network_alone():
    tables = {"u": [0.5, 0.5], "x": [[0.8, 0.2], [0.3, 0.7]], "y": [[[0.9, 0.1], [0.5, 0.5]]] * 2}
    net = mm.BayesianNetwork.from_tables([("u", "x"), ("u", "y"), ("x", "y")], tables)
    model = mm.CausalModel.from_network(net, latent=["u"])
    assert float(model.effect("y", "x")) == pytest.approx(0.4)
    assert not model.effect("y", "x", data=mm.sample(net, 50)).identifiable
    with pytest.raises(CausalError, match="'u' is latent"):
        model.effect("y", "u")
    with pytest.raises(CausalError, match="'u' is latent"):
        model.effect("y", "x", through="u")


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("dysp", "dysp"), {}, "on itself"),
        (("dysp", {"smoke": "yes"}), {"baseline": {"smoke": "yes"}}, "compared with itself"),
        (("dysp", {"smoke": "yes"}), {"baseline": {"asia": "yes"}}, "not set"),
        (("dysp", {}), {}, "what is set"),
        (("dysp", {"smoke": "yes"}), {"given": {"smoke": "no"}}, "two places"),
        (("dysp", {"smoke": "yes"}), {"given": "asia"}, "states by variable"),
        (("dysp", {"smoke": "yes"}), {"kind": "averag"}, "did you mean 'average'"),
        (("dysp", {"smoke": "yes"}), {"levl": 0.9}, "did you mean 'level'"),
        (("dysp", {"smoke": "yes"}), {"method": "plug_in"}, "there is none"),
        (("dysp", {"smoke": "yes"}), {"kind": "controlled direct"}, "through="),
        (("dysp", {"smoke": "yes"}), {"through": "smoke"}, "no mediator"),
        (("dysp", {"smoke": "yes"}), {"through": {"bronc": "no"}}, "sets no mediator"),
        ((["dysp"], {"smoke": "yes"}), {}, "an outcome is"),
    ],
)
def test_questions_without_meaning_are_refused(asia, arguments, options, message):
    with pytest.raises(CausalError, match=message):
        asia.effect(*arguments, **options)


def test_unknown_names_and_states_are_refused(asia: mm.CausalModel):
    with pytest.raises(UnknownVariableError, match="did you mean 'smoke'"):
        asia.effect("dysp", {"smok": "yes"})
    with pytest.raises(UnknownVariableError, match="through names 'imag'"):
        asia.effect("dysp", {"smoke": "yes"}, through="imag")
    with pytest.raises(UnknownStateError, match="'smoke' has no state 'often'"):
        asia.effect("dysp", {"smoke": "often"})
    with pytest.raises(CausalError, match="give data"):
        mm.CausalModel(["x", "y"], [("x", "y")]).effect("y", "x")


def test_answers_are_read_by_people_and_programs(asia: mm.CausalModel):
    effect = asia.effect({"dysp": "yes"}, {"smoke": "yes"}, through="bronc")
    assert repr(effect).startswith(
        "the effect of smoke=yes against smoke=no on P(dysp=yes) through"
    )
    assert effect.record()["parts"]["total"]["kind"] == "average"
    frame = effect.to_frame()
    assert frame["effect"].tolist() == ["through", "total", "natural direct", "natural indirect"]
    np.testing.assert_allclose(frame["estimate"][0], float(effect))
    with pytest.raises(CausalError, match="no total effect"):
        asia.effect({"dysp": "yes"}, {"smoke": "yes"}).share  # noqa: B018


def test_strata_that_never_occur_are_left_out(asia: mm.CausalModel, linear: mm.CausalModel):
    effect = asia.effect({"dysp": "yes"}, {"smoke": "yes"}, by=["lung", "either"])
    assert set(effect.parts) == {
        "lung=yes, either=yes",
        "lung=no, either=yes",
        "lung=no, either=no",
    }
    with pytest.raises(ZeroProbabilityError):
        asia.effect("dysp", "smoke", given={"lung": "yes", "either": "no"}, by="asia")
    with pytest.raises(CausalError, match=r"'z' is continuous.*into bins"):
        linear.effect("y", {"x": 1.0}, {"x": 0.0}, by="z")


@pytest.mark.parametrize("option", ["interval", "groups", "adjustment", "interventions"])
def test_options_of_data_are_refused_without_data(option: str):
    asia = mm.CausalModel.from_network(mm.read("asia"))
    with pytest.raises(CausalError, match=f"{option} is of estimates from data"):
        asia.effect({"dysp": "yes"}, {"smoke": "yes"}, **{option: "x"})
