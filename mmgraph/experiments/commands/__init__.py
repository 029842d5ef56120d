"""Ready models of spoken commands."""
