"""Who changed what, from where: put down with the change, and read by the account that it was in."""
