"""Which of all cities that could be simulated is Sampleton."""

SEED = 7
"""Seed of the one Sampleton that everybody gets."""
VERSION = 2
"""Raised whenever the simulated city changes, so that old copies are not mistaken for it."""
EXTENT_M = 9_000
"""Side of its images in metres."""
