"""Ready models that track people."""
