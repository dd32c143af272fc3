"""Running it: keys, signatures, limits, connections, logs."""
