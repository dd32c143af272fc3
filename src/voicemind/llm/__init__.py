"""Language models: one contract, one file per provider, and several models as one."""
