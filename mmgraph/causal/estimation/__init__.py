"""Effects of interventions: exactly from networks, and from data with intervals."""
