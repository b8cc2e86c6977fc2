"""The sample package."""
