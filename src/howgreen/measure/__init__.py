"""Measure: land cover and zones in, areas and ratios with their interval out.

:func:`green` sums every pixel by the exact share of it that lies in a zone; :func:`to_frame` puts the zones
into the table that a result carries.
"""

from howgreen.measure._zonal import green
from howgreen.measure._zones import to_frame

__all__ = ["green", "to_frame"]
