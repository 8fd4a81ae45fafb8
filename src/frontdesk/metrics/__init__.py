"""Figures for Prometheus: what a process counts, what the database holds, and where they are read."""
