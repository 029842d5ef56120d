"""Which of one side belongs to which of the other."""
