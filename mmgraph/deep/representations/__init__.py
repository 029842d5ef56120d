"""One space of all modalities, or a space each that is tied to the others'."""
