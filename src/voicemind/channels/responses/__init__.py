"""The Responses format of OpenAI, for text and functions."""
