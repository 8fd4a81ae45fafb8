"""How long things are kept: purge by age, while everything serves."""
