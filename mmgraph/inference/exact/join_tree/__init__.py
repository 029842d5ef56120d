"""The join tree: how it is planned, compiled and run."""
