"""The imagery package."""
