"""All that writes an index."""
