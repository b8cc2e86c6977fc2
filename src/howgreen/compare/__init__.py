"""Compare with other maps of the same ground, on the city's own grid.

:func:`raster_map`, :func:`vector_map` and :func:`corine_file` resample a map to the grid, block by block; :func:`agree`
counts. File and service readers are passed in: this stage has no network access.
"""

from howgreen.compare._agreement import agree
from howgreen.compare._legends import LEGENDS, Legend
from howgreen.compare._sources import Map, Reader, raster_map, tile_names, tile_urls, vector_map
from howgreen.compare._vectors import corine_file, corine_service, usable

__all__ = [
    "LEGENDS",
    "Legend",
    "Map",
    "Reader",
    "agree",
    "corine_file",
    "corine_service",
    "raster_map",
    "tile_names",
    "tile_urls",
    "usable",
    "vector_map",
]
