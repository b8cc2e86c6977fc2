"""The landcover package."""
