"""Tiny packages of each kind, and their pins."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from collections.abc import Mapping
from typing import Any

from mmgraph.datasets.packages.debian import DebianPin
from mmgraph.datasets.packages.npm import NpmPin
from mmgraph.datasets.packages.sdists import SdistPin
from mmgraph.datasets.packages.wheels import WheelPin


def tar(files: Mapping[str, bytes], mode: Any) -> bytes:
    """A tar archive of these files and a link."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "elsewhere"
        archive.addfile(link)
    return buffer.getvalue()


def deb(files: Mapping[str, bytes]) -> bytes:
    """A Debian package whose control archive has an odd length, so that padding follows."""
    data = tar({f"./{name}": content for name, content in files.items()}, "w:xz")
    archive = b"!<arch>\n"
    for name, content in (("debian-binary", b"2.0\n"), ("control", b"odd"), ("data.tar.xz", data)):
        archive += f"{name:16}{0:<12}{0:<6}{0:<6}{'100644':8}{len(content):<10}`\n".encode()
        archive += content + b"\n" * (len(content) % 2)
    return archive


def tgz(files: Mapping[str, bytes]) -> bytes:
    return tar(files, "w:gz")


def wheel(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()


KINDS: dict[str, tuple[Any, str, str, Any]] = {
    "wheel": (WheelPin, "1.0", "toy-1.0-py3-none-any.whl", wheel),
    "sdist": (SdistPin, "1.0", "toy-1.0.tar.gz", tgz),
    "debian": (DebianPin, "1:1.0", "toy_1%3a1.0_all.deb", deb),
    "npm": (NpmPin, "1.0", "toy-1.0.tgz", tgz),
}


def pinned(kind: str, archive: bytes) -> Any:
    """The pin of a made package."""
    pin, version, filename, _ = KINDS[kind]
    return pin("toy", version, filename, hashlib.sha256(archive).hexdigest(), len(archive))
