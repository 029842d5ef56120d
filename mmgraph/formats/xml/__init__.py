"""Network files in XML: the XMLBIF of many programs, and GeNIe's XDSL."""

from mmgraph.formats.xml.xdsl import read_xdsl
from mmgraph.formats.xml.xdsl_writer import write_xdsl
from mmgraph.formats.xml.xmlbif import read_xmlbif, write_xmlbif

__all__ = ["read_xdsl", "read_xmlbif", "write_xdsl", "write_xmlbif"]
