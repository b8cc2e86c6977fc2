"""From land cover and zones to areas and green ratios with their interval.

:func:`green` weights every pixel by its exact share inside a zone; :func:`to_frame` puts the zones into the table of a
result.
"""

from howgreen.measure._zonal import green
from howgreen.measure._zones import to_frame

__all__ = ["green", "to_frame"]
