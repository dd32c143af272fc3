"""Running it: keys, limits, logs, health."""
