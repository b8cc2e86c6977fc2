"""Many cities in one run, ranked with intervals: ``howgreen rank``."""

from howgreen.batch._cities import Entry, folder_of, is_extract, read_list
from howgreen.batch._page import ranking_of, unlike, verdict
from howgreen.batch._plans import Outlook, Planned, describe, plan, to_values
from howgreen.batch._ranking import Change, Ranked, Row, changes, ranked
from howgreen.batch._run import Ask, Workers, rank
from howgreen.batch._write import COLUMNS, table, write_ranking

__all__ = [
    "COLUMNS",
    "Ask",
    "Change",
    "Entry",
    "Outlook",
    "Planned",
    "Ranked",
    "Row",
    "Workers",
    "changes",
    "describe",
    "folder_of",
    "is_extract",
    "plan",
    "rank",
    "ranked",
    "ranking_of",
    "read_list",
    "table",
    "to_values",
    "unlike",
    "verdict",
    "write_ranking",
]
