"""From a city and a period to one clear picture: find scenes, choose among them, harmonise, mask, composite."""

from howgreen.imagery.compositing import composite, load
from howgreen.imagery.grids import grid

__all__ = ["composite", "grid", "load"]
