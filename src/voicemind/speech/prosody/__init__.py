"""How speech sounds, beyond its words."""
