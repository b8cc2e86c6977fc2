"""From a finished result to files for people. Reporting makes no decisions.

:func:`write` makes the folder with the page, the maps and the tables; :func:`explore` a folium map;
:func:`summary` the figures as JSON values (schema: ``summary.schema.json`` beside this file).
"""

from howgreen.report._agreement_maps import agreement_map
from howgreen.report._ahead import load_ahead
from howgreen.report._candidates import candidates_page
from howgreen.report._change import GREEN, PHOTOS, write_change
from howgreen.report._change import in_words as change_in_words
from howgreen.report._checksums import add_file, is_unaltered
from howgreen.report._delivery import address_of, check_target, new_target
from howgreen.report._explore import explore
from howgreen.report._folder import check_out, new_folder
from howgreen.report._language import ENGLISH, LANGUAGES, Language, catalogue, language
from howgreen.report._layers import layers_summary, write_layers
from howgreen.report._notebook import green_fraction, thumbnail, to_frame
from howgreen.report._osm_green import write_osm_green
from howgreen.report._pdf import check_pdf
from howgreen.report._people import PeopleSummary, write_people
from howgreen.report._rasters import FRACTION_STEPS
from howgreen.report._restoration import LookedFigures, RestorationSummary, write_restoration
from howgreen.report._sections import Destination, opened, report_of, sections_there
from howgreen.report._summary import summary
from howgreen.report._templates import environment, policy, text_of
from howgreen.report._trend import TrendSummary, trend_summary, write_trend
from howgreen.report._write import Form, needed_bytes, write
from howgreen.report.figures import Summary

__all__ = [
    "ENGLISH",
    "FRACTION_STEPS",
    "GREEN",
    "LANGUAGES",
    "PHOTOS",
    "Destination",
    "Form",
    "Language",
    "LookedFigures",
    "PeopleSummary",
    "RestorationSummary",
    "Summary",
    "TrendSummary",
    "add_file",
    "address_of",
    "agreement_map",
    "candidates_page",
    "catalogue",
    "change_in_words",
    "check_out",
    "check_pdf",
    "check_target",
    "environment",
    "explore",
    "green_fraction",
    "is_unaltered",
    "language",
    "layers_summary",
    "load_ahead",
    "needed_bytes",
    "new_folder",
    "new_target",
    "opened",
    "policy",
    "report_of",
    "sections_there",
    "summary",
    "text_of",
    "thumbnail",
    "to_frame",
    "trend_summary",
    "write",
    "write_change",
    "write_layers",
    "write_osm_green",
    "write_people",
    "write_restoration",
    "write_trend",
]
