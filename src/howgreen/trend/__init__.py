"""Trend: the answers of several years in, a slope out with its interval, and the smallest slope that could have been seen."""

from howgreen.trend._series import FEWEST_SHARED, join, trend_of
from howgreen.trend._statistics import FEWEST_YEARS, LEVEL, fit, mann_kendall, theil_sen

__all__ = ["FEWEST_SHARED", "FEWEST_YEARS", "LEVEL", "fit", "join", "mann_kendall", "theil_sen", "trend_of"]
