"""Mean field: independent elements, or trees of them."""
