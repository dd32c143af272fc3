"""Work that must be done once, however often a process dies meanwhile."""
