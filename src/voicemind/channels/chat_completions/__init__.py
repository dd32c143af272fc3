"""The chat completions format: for any OpenAI client, and as Custom LLM of voice platforms."""
