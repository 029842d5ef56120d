"""Which backend computes a graph."""

from __future__ import annotations

import torch

from mmgraph.inference.field.backend import backend_of
from tests.inference.models import random_network
from tests.inference.unit_models import random_machine


def test_tables_on_the_cpu_run_in_kernels_and_elsewhere_in_torch():
    network = random_network(0)
    assert backend_of(network).kernels
    assert backend_of(network).place == torch.device("cpu")
    assert not backend_of(network, "cuda").kernels
    assert not backend_of(network, "cuda").layers


def test_layers_of_units_run_in_torch_wherever_they_are():
    machine = random_machine(0, ["bernoulli", "bernoulli"])
    assert backend_of(machine).layers
    assert not backend_of(machine, torch.device("cpu")).kernels
