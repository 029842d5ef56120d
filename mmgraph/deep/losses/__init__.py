"""What nets are trained to make small: within a modality, between modalities, of the task."""
