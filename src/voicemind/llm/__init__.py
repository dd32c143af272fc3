"""Language models: one contract, one file per provider."""
