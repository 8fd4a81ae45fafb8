"""Accounts: who may call, with which tokens, and how often."""
