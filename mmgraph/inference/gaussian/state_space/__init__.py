"""Linear Gaussian systems over time: Kalman filtering and smoothing."""
