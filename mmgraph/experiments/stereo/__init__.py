"""Ready models: the disparity of a stereo pair."""
