"""From a city and a period to one clear picture: find scenes, choose among them, harmonise, mask, composite."""

from howgreen.imagery.catalog import Answer, find_online, search
from howgreen.imagery.choosing import choose, estimate_bytes
from howgreen.imagery.compositing import load
from howgreen.imagery.endpoints import BY_NAME, DEFAULT, ENDPOINTS, Endpoint, endpoint, read_catalogs
from howgreen.imagery.finding import find, look
from howgreen.imagery.grids import grid
from howgreen.imagery.layers import composite, composite_numbers, from_numbers
from howgreen.imagery.maps import find_tiles, map_reader
from howgreen.imagery.platforms import mixture
from howgreen.imagery.radar import sides
from howgreen.imagery.radiometry import decisions

__all__ = [
    "BY_NAME",
    "DEFAULT",
    "ENDPOINTS",
    "Answer",
    "Endpoint",
    "choose",
    "composite",
    "composite_numbers",
    "decisions",
    "endpoint",
    "estimate_bytes",
    "find",
    "find_online",
    "find_tiles",
    "from_numbers",
    "grid",
    "load",
    "look",
    "map_reader",
    "mixture",
    "read_catalogs",
    "search",
    "sides",
]
