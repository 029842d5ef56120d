"""Finding pictures by words and words by pictures, and what belongs to what."""
