"""Networks that repeat over time, declared by a first slice and a transition."""
