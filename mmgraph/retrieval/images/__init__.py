"""Pictures of any kind as numbers."""
