"""Webhooks: who wants to know what, and telling them."""
