"""The measure package."""
