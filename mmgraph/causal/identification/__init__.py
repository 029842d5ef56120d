"""Which effects the observational joint determines, by which formula, or why it does not."""
