"""Conversations: from the first word to what is remembered."""
