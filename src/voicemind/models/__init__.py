"""Files of the embedded models: what they are, where they come from, whether they are whole."""
