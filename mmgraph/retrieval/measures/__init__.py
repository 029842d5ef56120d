"""How well a search finds, and how sure it may be."""
