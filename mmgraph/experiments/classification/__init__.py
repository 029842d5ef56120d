"""Ready models: a classifier of rows, cross-validated, fitted to all rows and saved."""
