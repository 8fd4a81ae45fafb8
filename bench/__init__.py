"""The bench: this service beside the hand-written one it replaces, in one run on one machine.

Only loopback is called. Nothing here is imported by the product.
"""
