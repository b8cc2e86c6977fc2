"""From an interpreted sample of places to a green ratio with a design-based interval."""
