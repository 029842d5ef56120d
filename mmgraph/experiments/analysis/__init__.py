"""What modalities tell of a target, by held-out rows of a ready model; and a page that shows it."""
