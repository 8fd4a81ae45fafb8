"""The property management systems that Frontdesk speaks to: one folder each."""
