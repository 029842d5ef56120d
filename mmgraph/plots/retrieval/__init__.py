"""Pictures of searches: what was found, the space it was found in, what belongs to what."""
