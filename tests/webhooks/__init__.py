"""Webhooks, through a real API, a real database and a real receiver."""
