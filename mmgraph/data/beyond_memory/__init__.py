"""Tables that exceed the memory of one process: their distinct rows, counted as they stream."""
