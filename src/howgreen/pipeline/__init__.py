"""One city's journey, from a name to a report."""

from howgreen.pipeline.city import osm_green, plan, read_plan, run, write

__all__ = ["osm_green", "plan", "read_plan", "run", "write"]
