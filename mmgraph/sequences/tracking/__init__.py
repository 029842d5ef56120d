"""Tracks of what moves, from detections in each frame."""
