"""The command line: everything a person does with Voicemind from a terminal."""
