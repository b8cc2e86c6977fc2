"""Trend: from the answers of several years to a slope with its interval, and the smallest detectable slope."""

from howgreen.trend._series import FEWEST_SHARED, join, trend_of
from howgreen.trend._statistics import FEWEST_YEARS, LEVEL, fit, mann_kendall, theil_sen

__all__ = ["FEWEST_SHARED", "FEWEST_YEARS", "LEVEL", "fit", "join", "mann_kendall", "theil_sen", "trend_of"]
