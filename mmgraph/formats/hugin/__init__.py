"""Network files of the 1990s that other programs still write: Hugin's NET, Microsoft's DSC."""

from mmgraph.formats.hugin.dsc import read_dsc
from mmgraph.formats.hugin.net import read_net
from mmgraph.formats.hugin.net_writer import write_net

__all__ = ["read_dsc", "read_net", "write_net"]
