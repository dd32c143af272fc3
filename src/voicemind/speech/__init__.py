"""Hearing and speaking: recognition, synthesis and voice activity, each behind a contract."""
