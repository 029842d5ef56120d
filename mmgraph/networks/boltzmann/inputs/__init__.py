"""What users give a Boltzmann machine: columns, labels and grey values, read as evidence."""
