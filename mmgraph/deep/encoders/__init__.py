"""From the cells of a modality to its code."""
