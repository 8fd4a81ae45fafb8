"""Calls to the outside: which addresses they may reach, whoever named the URL."""
