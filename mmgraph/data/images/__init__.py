"""Images in files as the rows of a modality: paths in a column, folders of files."""
