"""Estimators of effects: functions of the weights of rows, and their intervals."""
