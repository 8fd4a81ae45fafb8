"""The resident event as a caller states it: its fields, the rules of each PMS, the endpoints."""
