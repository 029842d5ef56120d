"""Labels of a few pixels: images of indices, colours, strokes and tables of places."""
