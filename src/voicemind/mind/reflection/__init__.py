"""Reflection: what a conversation changes in a mind, proposed by a reflector and applied purely."""
