"""The administrative interface under `/api/v1`: agents, minds, conversations, meetings, reflections and persons, with an OpenAPI document."""
