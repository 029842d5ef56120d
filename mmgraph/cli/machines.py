"""Fitting a machine that a file declares, in one process or in several that torchrun starts."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mmgraph.cli.common import StepLines, print_json, print_record, progress_bar
from mmgraph.cli.interruption import NOT_KEPT, keeps
from mmgraph.cli.outputs import check_model_file


def fit_machine(
    model: str, data: Path | None, output: Path, checkpoint: Path | None, as_json: bool
) -> None:
    """Train a declared machine on its data set, or on rows of a file, and write it.

    What is written takes features in their own units (or normal quantiles, where the declaration
    asks for those).
    """
    import mmgraph
    from mmgraph.experiments.machine.data import load_data, read_rows
    from mmgraph.experiments.machine.declaration import read_machine
    from mmgraph.experiments.machine.fold import fit_machine as fit
    from mmgraph.learning.training.data_parallel import Processes

    declaration = read_machine(model)
    visible = mmgraph.Variable("visible", shape=(1,), family="bernoulli")
    check_model_file(mmgraph.RestrictedBoltzmannMachine(visible, 1), output)
    rows = load_data(declaration) if data is None else read_rows(declaration, data)
    processes = Processes.of_environment()
    with keeps(checkpoint, NOT_KEPT), _progress(processes.leads, declaration.epochs) as progress:
        fitted = fit(declaration, rows, checkpoint, progress)
    if not processes.leads:
        return
    mmgraph.write(fitted.in_units_of_data(), output)
    report = fitted.machine.fit_report
    assert report is not None
    result: dict[str, Any] = {
        "model": model,
        "output": str(output),
        "processes": processes.count,
        "rows": len(rows.codes),
        "epochs": len(report.history),
        "seconds": report.seconds,
        "monitors": report.history[-1] if report.history else {},
    }
    if as_json:
        print_json(result)
        return
    monitors = result.pop("monitors")
    print_record(result | monitors)


@contextlib.contextmanager
def _progress(
    leads: bool, epochs: int
) -> Iterator[Callable[[int, Mapping[str, float]], None] | None]:
    """A bar over the epochs, in the process that leads."""
    if not leads:
        yield None
        return
    lines = StepLines("epoch 1")
    with progress_bar("training", epochs) as (bar, task):

        def progress(epoch: int, monitors: Mapping[str, float]) -> None:
            loss = f", loss {monitors['loss']:.4g}" if "loss" in monitors else ""
            bar.update(task, description=f"epoch {epoch}{loss}", completed=epoch)
            lines(epoch, epochs, f"epoch {epoch + 1}")

        yield progress
