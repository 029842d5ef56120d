"""The package's own format, which loses nothing."""
