"""The WebSocket that browsers and the command line talk through."""
