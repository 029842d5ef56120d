"""Ready models: a declaration, what to run, and what to draw."""
