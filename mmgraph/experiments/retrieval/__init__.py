"""Real searches, and what they find."""
