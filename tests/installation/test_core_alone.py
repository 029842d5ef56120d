"""What needs no extra works without any; the rest names the extra that it needs."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import mmgraph as mm
from tests.installation.core_alone import ROOT, core_distributions, link_core, run_python

ASKED_FOR = {
    "read alarm": "interop",
    "map_query branch_and_bound": "toulbar2",
    "Posterior.to_frame": "data",
    "Assignment.to_frame": "data",
    "to_pgmpy": "interop",
    "machine.__sklearn_tags__": "data",
    "label_image svm": "data",
    "label_image extra_trees": "data",
    "label_image logistic": "data",
    "read_sensors image.png": "images",
    "read_sensors image.tif": "images",
    "read_sensors image.nii": "images",
    "draw_network": "plots",
    "load home_activities": "data",
    "load sachs": "data",
    "load bnlearn": "interop",
    "run home_activities": "data",
    "mmgraph infer net.bif --evidence-file rows.csv --output answers.parquet": "data",
    "mmgraph map net.bif --evidence-file rows.csv --output answers.parquet": "data",
    "mmgraph sample net.bif --evidence-file rows.csv --output answers.parquet": "data",
    "mmgraph infer alarm": "interop",
    "mmgraph fit home_activities_dbm --output machine.mmgraph": "data",
    "mmgraph show net.bif --output net.png": "plots",
    "mmgraph run home_activities": "plots",
    "mmgraph label --sensor a=image.npy --labels labels.npy --picture": "plots",
    "mmgraph label --sensor a=image.npy --labels labels.npy --unary svm": "data",
}
"""What asks for an extra; all else that is tried must work."""


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("core")
    link_core(directory)
    return directory


def packages_of_extras() -> set[str]:
    """Return the packages of all extras but those of development, as they are imported."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    names = {
        Requirement(line).name
        for extra in ("interop", "plots", "data", "images", "toulbar2")
        for line in extras[extra]
    }
    imported = {"pyro-ppl": "pyro", "scikit-learn": "sklearn", "pillow": "PIL"}
    return {imported.get(name, name) for name in names}


def test_no_extra_is_installed_there(core: Path, tmp_path: Path):
    packages = packages_of_extras()
    assert {"pandas", "pgmpy", "matplotlib", "PIL", "pytoulbar2"} <= packages
    code = f"from importlib.util import find_spec; print([p for p in {packages} if find_spec(p)])"
    assert run_python(core, "-c", code, where=tmp_path).stdout == "[]\n"
    assert {"torch", "numba", "networkx", "typer"} <= set(core_distributions())


@pytest.mark.slow
def test_all_that_needs_no_extra_works(core: Path, tmp_path: Path):
    done = run_python(core, str(Path(__file__).with_name("walk.py")), where=tmp_path)
    assert done.returncode == 0, done.stderr
    outcomes = json.loads(done.stdout)
    asked = {name: outcome for name, outcome in outcomes.items() if outcome != "done"}
    assert asked == ASKED_FOR
    assert len(outcomes) > 90


@pytest.mark.slow
def test_a_wheel_of_the_core_works_in_an_environment_of_its_own(tmp_path: Path):
    where = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", where], check=True)
    # Most modules of the packages are never imported here, and need not be compiled.
    pip = [where / "bin" / "pip", "install", "-q", "--no-compile"]
    pip += ["-c", ROOT / "constraints.txt", ROOT]
    installed = subprocess.run(pip, capture_output=True, text=True, check=False)
    if "No matching distribution" in installed.stderr:
        pytest.skip("no package index is in reach")
    assert installed.returncode == 0, installed.stderr

    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [where / "bin" / "mmgraph", *arguments],
            env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    assert command("--version").stdout.startswith("mmgraph ")
    asked = command("infer", "alarm")
    assert (asked.returncode, "mmgraph[interop]" in asked.stderr) == (2, True)
    net = mm.BayesianNetwork.from_tables([], {"rain": [0.25, 0.75]}, {"rain": ("no", "yes")})
    mm.write(net, tmp_path / "net.bif")
    assert command("convert", "net.bif", "net.mmgraph").returncode == 0
    assert json.loads(command("map", "net.mmgraph", "--json").stdout)["assignment"] == {
        "rain": "yes"
    }
    # The ready models come with the wheel.
    assert "mmgraph[plots]" in command("run", "home_activities").stderr
