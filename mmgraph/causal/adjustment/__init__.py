"""Which variables to adjust for: back-door and front-door sets, instruments."""
