"""Report: a finished result in, files that a person opens out. It decides nothing.

:func:`write` makes the folder with the page, the maps and the tables; :func:`explore` a folium map;
:func:`summary` the figures as JSON values (schema: ``summary.schema.json`` beside this file).
"""

from howgreen.report.explore import explore
from howgreen.report.folder import check_out, new_folder
from howgreen.report.summary import schema, summary
from howgreen.report.write import needed_bytes, write

__all__ = ["check_out", "explore", "needed_bytes", "new_folder", "schema", "summary", "write"]
