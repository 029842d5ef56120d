"""Network files in XML: the XMLBIF of many programs, and GeNIe's XDSL."""
