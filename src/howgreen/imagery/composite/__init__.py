"""Many dates become one clear picture."""
