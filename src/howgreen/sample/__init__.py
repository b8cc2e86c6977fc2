"""Sampleton, the synthetic sample city: simulated on demand, with exactly known truth.

It makes a first try work with no network and is the tests' oracle. It is always called synthetic, and
no accuracy measured on it is a real city's.
"""

from howgreen.sample.build import SEED, build, ensure
from howgreen.sample.truth import Truth, ZoneTruth, truth

__all__ = ["SEED", "Truth", "ZoneTruth", "build", "ensure", "truth"]
