"""Speech for OpenAI clients: transcription and synthesis by what this server listens and speaks with."""
