"""Damaged files of every format: each is read or refused by name, at once and in little memory.

``MMGRAPH_FUZZ_FILES`` sets how many files of each format the slow test reads, 2,000 by default;
``MMGRAPH_FUZZ_SEED`` asks for other damage.
"""

from __future__ import annotations

import gzip
import os
import re
import resource
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.formats.uai import read_evidence
from mmgraph.graph.errors import FormatError
from tests.formats.networks import FUZZ_SEEDS, gaussian_network, sprinkler

pytestmark = pytest.mark.filterwarnings(
    "ignore::mmgraph.formats.hugin.net.UnnormalisedTableWarning"
)

QUICK_FILES = 250
SLOW_FILES = int(os.environ.get("MMGRAPH_FUZZ_FILES", "2000"))
SEED = int(os.environ.get("MMGRAPH_FUZZ_SEED", "0"))
SECONDS = 10
"""One file may take so long, on a machine that does other work as well."""
MEMORY = 2**30
"""One file may take so much beside what the interpreter has already, in bytes."""

STATISTICS = Path("/proc/self/statm")

TOKEN = re.compile(rb"[\w.+-]+|\s+|[^\w\s]")
NUMBER = re.compile(rb"[0-9.]+(?:[eE][+-]?[0-9]+)?")
PIECES = [
    *(b"{", b"}", b"(", b")", b"[", b"]", b"<", b">", b"</", b"/>", b"&", b"&#0;", b"&lt;", b'"'),
    *(b"'", b";", b",", b"|", b":", b"=", b"%", b"//", b"/*", b"*/", b"<!--", b"-->", b"\\", b"\n"),
    *(b"\x00", b"\xe9", b"\xff\xfe", b"\xc3\xa9", b"\xed\xa0\x80", b"\xe2\x80\xa8", b" " * 50),
    *(b"-1", b"0", b"1", b"2", b"1e999", b"1e-320", b"nan", b"inf", b"1_0", b"0x1", b"\xd9\xa1"),
    *(b"9" * 12, b"9" * 400, b"99999999", b"16777216", b"4294967296", b"-" * 20, b"1e308", b"."),
    *(b"(" * 200, b"[" * 200, b"<a>" * 100, b'"' * 3, b"{" * 200, b"a" * 300),
    *(b"node", b"potential", b"probability", b"variable", b"default", b"table", b"data", b"states"),
    *(b"class", b"utility", b"decision", b"continuous", b"model_data", b"property", b"mmgraph"),
    *(b"<TABLE>", b"<FOR>", b"<cpt>", b"<noisymax>", b"<![CDATA["),
    *(b"<!DOCTYPE x [<!ENTITY a 'b'>]>", b"&a;"),
    *(b'encoding="utf-16"', b'encoding="bz2"', b'encoding="cp1252"', b"BAYES", b"MARKOV"),
]  # fmt: skip
"""What a damaged file may hold in place of what belongs there."""


def mutated(generator: np.random.Generator, content: bytes, other: bytes) -> bytes:
    """Return the content after one to three kinds of damage."""
    for _ in range(int(generator.integers(1, 4))):
        start, end = sorted(int(n) for n in generator.integers(0, len(content) + 1, 2))
        short = min(end, start + int(generator.integers(0, 20)))
        match int(generator.integers(0, 16)):
            case 0 | 1:  # another byte
                content = content[:start] + generator.bytes(1) + content[start + 1 :]
            case 2:
                content = content[:start]
            case 3:
                content = content[:start] + content[short:]
            case 4:
                content = content[:end] + content[start:short] + content[end:]
            case 5:  # from a file of another kind
                place = int(generator.integers(0, len(other) + 1))
                content = content[:start] + other[place : place + 60] + content[start:]
            case 6 | 7:
                piece = PIECES[int(generator.integers(len(PIECES)))]
                content = content[:start] + piece + content[short:]
            case 8 | 9 | 10:
                content = _replaced(generator, content, NUMBER)
            case _:
                content = _replaced(generator, content, TOKEN)
    return content


def _replaced(generator: np.random.Generator, content: bytes, pattern: re.Pattern[bytes]) -> bytes:
    """Return the content with one match replaced by another piece, or by another match."""
    matches = list(pattern.finditer(content))
    if not matches:
        return content
    match = matches[int(generator.integers(len(matches)))]
    if generator.random() < 0.5:
        piece = PIECES[int(generator.integers(len(PIECES)))]
    else:
        piece = matches[int(generator.integers(len(matches)))].group()
    return content[: match.start()] + piece + content[match.end() :]


@contextmanager
def limits() -> Iterator[None]:
    """Allow a bounded amount of memory beyond what the process has."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    if STATISTICS.exists():  # elsewhere than on Linux, time alone is limited
        pages = int(STATISTICS.read_text().split()[0])
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, before[1]))
    handler = signal.signal(signal.SIGALRM, _too_long)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        resource.setrlimit(resource.RLIMIT_AS, before)


def _too_long(signum: int, frame: FrameType | None) -> None:
    raise TimeoutError(f"reading took more than {SECONDS} seconds")


def outcome(path: Path) -> str:
    """Return ``"read"`` or ``"refused"``; assert that what is read makes sense."""
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        if path.suffix == ".evid":
            read_evidence(path, EVIDENCE_NETWORK)
        else:
            check(mm.read(path))
        return "read"
    except FormatError as error:
        message = str(error)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    assert path.name in message
    assert len(message) < 2000
    return "refused"


def check(graph: object) -> None:
    if isinstance(graph, mm.BayesianNetwork):
        for factor in graph.factors:
            values = getattr(factor, "values", None)
            if isinstance(values, torch.Tensor) and factor.child is not None:
                axis = next(i for i, v in enumerate(factor.scope) if v is factor.child)
                sums = values.double().sum(axis)
                assert bool(((sums - 1).abs() < 1e-3).all())
    else:
        assert isinstance(graph, mm.FactorGraph)


EVIDENCE_NETWORK = sprinkler()


def place(folder: Path, suffix: str, content: bytes) -> Path:
    """Write damaged content where its reader finds it."""
    path = folder / f"damaged{suffix}"
    if suffix != ".mmgraph":
        path.unlink(missing_ok=True)  # to cut an old file short would wait for the disk
        path.write_bytes(content)
        return path
    # a directory: its description is damaged, its tensors are whole
    if not path.exists():
        mm.write(sprinkler(), path)
    (path / "network.json").unlink()
    (path / "network.json").write_bytes(content)
    return path


def seeds_of(suffix: str, folder: Path) -> list[bytes]:
    """Return whole files of a format: handmade ones, and one that is written here."""
    seeds = list(FUZZ_SEEDS.get(suffix, []))
    if suffix == ".evid":
        return seeds
    whole = folder / f"whole{suffix}"
    mm.write(gaussian_network() if suffix == ".json" else sprinkler(), whole)
    if whole.is_dir():
        seeds.append((whole / "network.json").read_bytes())
        shutil.rmtree(whole)
    else:
        seeds.append(whole.read_bytes())
    return seeds


SUFFIXES = [
    *(".bif", ".uai", ".net", ".dsc", ".xmlbif", ".xdsl", ".bif.gz", ".mmgraph", ".evid"),
    ".json",
]


def damage(folder: Path, suffix: str, files: int) -> dict[str, int]:
    """Read so many damaged files and return how many were read and refused."""
    generator = np.random.default_rng([SEED, SUFFIXES.index(suffix)])
    seeds = FUZZ_SEEDS[suffix] if suffix == ".dsc" else seeds_of(suffix, folder)
    others = [seed for seeds_ in FUZZ_SEEDS.values() for seed in seeds_]
    counts = {"read": 0, "refused": 0}
    with limits():
        for seed in seeds:  # whole files, so that the damage is to blame
            counts[outcome(place(folder, suffix, seed))] += 1
        assert counts == {"read": len(seeds), "refused": 0}
        for _ in range(files):
            content = seeds[int(generator.integers(len(seeds)))]
            if suffix.endswith(".gz") and generator.random() < 0.5:
                content = gzip.compress(
                    mutated(generator, gzip.decompress(content), others[0]), mtime=0
                )
            else:
                content = mutated(generator, content, others[int(generator.integers(len(others)))])
            path = place(folder, suffix, content)
            try:
                counts[outcome(path)] += 1
            except BaseException as error:
                kept = folder.parent / f"found{suffix}"
                kept.write_bytes(content)
                raise AssertionError(f"{error!r} from {kept}: {content!r}") from error
    return counts


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_damaged_files(tmp_path, suffix):
    counts = damage(tmp_path, suffix, QUICK_FILES)
    assert counts["refused"] > QUICK_FILES / 4


@pytest.mark.slow
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_many_damaged_files(tmp_path, suffix, record_property):
    counts = damage(tmp_path, suffix, SLOW_FILES)
    record_property("counts", counts)
    print(suffix, counts)
    assert counts["refused"] > SLOW_FILES / 4
    assert counts["read"] > SLOW_FILES / 100
