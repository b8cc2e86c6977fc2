"""From a city and a period to a cloud-free composite: find scenes, select, harmonise, mask, composite."""

from howgreen.core.grid import grid
from howgreen.imagery.catalog._coverage import find, look, look_each, missing_files
from howgreen.imagery.catalog._maps import find_tiles, map_reader
from howgreen.imagery.catalog._search import search
from howgreen.imagery.catalog._season import measure_season
from howgreen.imagery.catalog._select import MIN_CLEAR_PCT, choose, estimate_bytes, look_directions, mixed_platforms
from howgreen.imagery.composite._combine import composite, composite_scaled, from_scaled
from howgreen.imagery.composite._offset_check import decisions
from howgreen.imagery.composite._optical import load
from howgreen.imagery.read._coarse import together
from howgreen.imagery.read.opener import shared_files
from howgreen.imagery.read.sky import detector_of
from howgreen.imagery.read.thumbnails import frame_of as thumbnail_frame
from howgreen.imagery.read.thumbnails import thumbnail

__all__ = [
    "MIN_CLEAR_PCT",
    "choose",
    "composite",
    "composite_scaled",
    "decisions",
    "detector_of",
    "estimate_bytes",
    "find",
    "find_tiles",
    "from_scaled",
    "grid",
    "load",
    "look",
    "look_directions",
    "look_each",
    "map_reader",
    "measure_season",
    "missing_files",
    "mixed_platforms",
    "search",
    "shared_files",
    "thumbnail",
    "thumbnail_frame",
    "together",
]
