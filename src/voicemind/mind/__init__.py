"""The mind: blocks of memory, the prompt made of them, the reply, and reflection."""
