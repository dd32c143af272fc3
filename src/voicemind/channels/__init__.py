"""Ways in: one folder for each wire protocol."""
