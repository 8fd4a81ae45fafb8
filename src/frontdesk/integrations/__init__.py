"""Integrations: one customer's account at a PMS, its credentials, and its properties."""
