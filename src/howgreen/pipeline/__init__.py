"""One city's journey, from a name to a report."""

from howgreen.pipeline.city import plan, read_plan, run, write
from howgreen.pipeline.osm_green import osm_green

__all__ = ["osm_green", "plan", "read_plan", "run", "write"]
