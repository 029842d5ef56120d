"""The rows of one modality: columns of a table, arrays such as images, sequences, texts."""
