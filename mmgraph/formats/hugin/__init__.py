"""Network files of the 1990s that other programs still write: Hugin's NET, Microsoft's DSC."""
