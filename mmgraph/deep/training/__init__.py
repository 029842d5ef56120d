"""How nets learn from rows."""
