"""Opening and ending conversations, the list of agents, health: the endpoints around the talking."""
