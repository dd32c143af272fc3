"""What must not be lost: people, minds, conversations, turns, meetings and waiting reflections."""
