"""Events: rules and small networks over recognised actions."""
