"""From a sample of places that a person looked at to a green ratio with a design-based interval."""
