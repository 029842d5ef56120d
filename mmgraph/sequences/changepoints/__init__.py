"""Where a sequence changes."""
