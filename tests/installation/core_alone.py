"""An environment in which the core's packages are installed, and nothing else."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]


def core_distributions() -> dict[str, metadata.Distribution]:
    """Return mmgraph itself and all that it needs, directly or not, by normalised name."""
    found: dict[str, metadata.Distribution] = {}
    waiting = ["mmgraph"]
    while waiting:
        name = waiting.pop()
        normal = re.sub(r"[-_.]+", "-", name).lower()
        if normal in found:
            continue
        found[normal] = metadata.distribution(name)
        needed = (Requirement(line) for line in found[normal].requires or ())
        waiting += [r.name for r in needed if r.marker is None or r.marker.evaluate({"extra": ""})]
    return found


def link_core(directory: Path) -> None:
    """Fill a directory with links to the files of the core's packages."""
    for distribution in core_distributions().values():
        for top in {file.parts[0] for file in distribution.files or ()}:
            # What an editable installation puts there names a path of its own.
            if top in ("..", "__pycache__") or top.endswith(".pth") or "editable" in top:
                continue
            (directory / top).symlink_to(Path(str(distribution.locate_file(top))).resolve())


def run_python(directory: Path, *arguments: str, where: Path) -> subprocess.CompletedProcess[str]:
    """Run Python where the links are all that is installed.

    ``-S`` leaves out the packages of the environment that runs the tests.
    """
    return subprocess.run(
        [sys.executable, "-S", *arguments],
        env={"PYTHONPATH": f"{directory}:{ROOT}", "PATH": "/usr/bin:/bin", "HOME": str(where)},
        cwd=where,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
