"""Report: a finished result in, files that a person opens out. It decides nothing.

:func:`write` makes the folder with the page, the maps and the tables; :func:`explore` a folium map;
:func:`summary` the figures as JSON values (schema: ``summary.schema.json`` beside this file).
"""

from howgreen.report.agreement_maps import agreement_map
from howgreen.report.delivery import address_of, check_target, new_target
from howgreen.report.explore import explore
from howgreen.report.figures import Summary
from howgreen.report.folder import check_out, new_folder
from howgreen.report.layers import layers_schema, layers_summary, write_layers
from howgreen.report.notebook import green_fraction, thumbnail, to_frame
from howgreen.report.osm_green import write_osm_green
from howgreen.report.summary import schema, summary
from howgreen.report.write import needed_bytes, write

__all__ = [
    "Summary",
    "address_of",
    "agreement_map",
    "check_out",
    "check_target",
    "explore",
    "green_fraction",
    "layers_schema",
    "layers_summary",
    "needed_bytes",
    "new_folder",
    "new_target",
    "schema",
    "summary",
    "thumbnail",
    "to_frame",
    "write",
    "write_layers",
    "write_osm_green",
]
