"""What would have been: several worlds that share their causes, and effects along paths."""
