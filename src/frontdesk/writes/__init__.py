"""The durable write and its life: intake, status, retry, cancel, logs."""
