"""What can be compared, by name, each with the settings that it is tuned over."""
