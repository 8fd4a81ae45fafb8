"""The torture run: every part of a Frontdesk killed and stopped under load, at PMSs that misbehave.

Not part of the product. It drives the product's own commands and HTTP contract as an operator and a
client would; only its checker looks into the database, and changes nothing there.
"""
