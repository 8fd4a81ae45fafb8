"""What a process tells of its work as spans, for OpenTelemetry; off unless a collector is named."""
