"""Reading a tar archive once, from its beginning to its end."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator


def tar_files(
    archive: tarfile.TarFile, wanted: Callable[[str], bool]
) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of the wanted files; names begin with no ``./``, links are left out.

    Going from member to member is what makes it fast: to go back in a compressed archive is to
    unpack it anew.
    """
    for member in archive:
        name = member.name.removeprefix("./")
        if member.isfile() and wanted(name):
            content = archive.extractfile(member)
            assert content is not None  # it is a file
            yield name, content.read()
