"""Ready models: land cover from several sensors."""
