"""`new-vendor`: the folder of another PMS, from a template that runs."""
