"""Speech to text, mind, text to speech: the engine that runs on one laptop."""
