"""The commands for a user's own table: its schema, a declaration, a classifier and its answers."""
