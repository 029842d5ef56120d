"""What the readers of several data sets share."""
