"""The worker: takes accepted writes to their PMS, within its limits, and records the outcome."""
