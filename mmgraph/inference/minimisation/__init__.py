"""Methods that minimise an energy."""
