"""The catalog: what the PMSs hold, as last read, and the sync that reads it."""
