"""Real data sets, pinned by version and SHA-256 and read without installing their packages.

>>> from mmgraph import datasets
>>> sorted(datasets.catalog())[:2]
['basic_motions', 'bnlearn']
"""

from mmgraph.datasets.catalog import load
from mmgraph.datasets.entries import DatasetEntry, catalog, entry, read_member
from mmgraph.datasets.packages.cache import cache_dir

__all__ = ["DatasetEntry", "cache_dir", "catalog", "entry", "load", "read_member"]
