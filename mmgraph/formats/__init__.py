"""Networks in and out: files of several formats, and other packages.

:func:`~mmgraph.formats.resolve.read` and :func:`~mmgraph.formats.resolve.write` choose by name.
"""

from mmgraph.formats.resolve import known_names, models_directory, read, write

__all__ = ["known_names", "models_directory", "read", "write"]
