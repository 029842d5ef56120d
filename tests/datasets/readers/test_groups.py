from __future__ import annotations

import networkx as nx
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mmgraph.datasets.readers.groups import groups_by_keys


@given(st.lists(st.sets(st.integers(0, 8), max_size=3), max_size=8))
def test_rows_are_grouped_as_networkx_joins_them(keys):
    graph = nx.Graph()
    graph.add_nodes_from(range(len(keys)))
    for row, own in enumerate(keys):
        graph.add_edges_from((row, other) for other in range(row) if own & keys[other])
    groups = groups_by_keys(keys)
    assert groups.shape == (len(keys),)
    found = {frozenset(np.flatnonzero(groups == group).tolist()) for group in groups}
    assert found == {frozenset(part) for part in nx.connected_components(graph)}
    _, first = np.unique(groups, return_index=True)
    assert (np.diff(first) > 0).all()
