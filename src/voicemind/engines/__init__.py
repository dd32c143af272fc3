"""How speech becomes speech."""
