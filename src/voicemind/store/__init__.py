"""What must not be lost: users, minds, conversations, turns and waiting reflections."""
