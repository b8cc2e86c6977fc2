"""The place package."""
