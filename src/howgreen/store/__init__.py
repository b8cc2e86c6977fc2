"""The store: scenes as cloud-optimised GeoTIFFs and places as GeoJSON, in a plain STAC catalogue on disk."""

from howgreen.core.stac import Header
from howgreen.store._add import add, sources_in
from howgreen.store._verify import Fault, verify
from howgreen.store.options import Options
from howgreen.store.places import city_from_feature, city_to_feature
from howgreen.store.read import Row, items, listing, place, places, scenes
from howgreen.store.write import put_place, put_scene

__all__ = [
    "Fault",
    "Header",
    "Options",
    "Row",
    "add",
    "city_from_feature",
    "city_to_feature",
    "items",
    "listing",
    "place",
    "places",
    "put_place",
    "put_scene",
    "scenes",
    "sources_in",
    "verify",
]
