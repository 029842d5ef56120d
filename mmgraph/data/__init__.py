"""Tables of rows: read in chunks, coded as states and numbers."""
