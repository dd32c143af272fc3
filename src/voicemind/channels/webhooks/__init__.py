"""What a voice platform tells us by itself: how a call went, and that one is about to begin."""
