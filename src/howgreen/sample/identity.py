"""The parameters that make a simulated city Sampleton."""

SEED = 7
"""Seed of Sampleton, the same for everybody."""
VERSION = 2
"""Raised whenever the simulated city changes, so that old copies are not mistaken for it."""
EXTENT_M = 9_000
"""Side of its images in metres."""
