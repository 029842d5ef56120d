"""Ready models that label the steps of recordings."""
