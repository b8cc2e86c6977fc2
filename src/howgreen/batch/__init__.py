"""Many cities in one run, ranked with intervals: ``howgreen rank``."""

from howgreen.batch.cities import Entry, folder_of, is_extract, read_list
from howgreen.batch.page import ranking_of, verdict
from howgreen.batch.plans import Outlook, Planned, describe, plan, to_values
from howgreen.batch.ranking import Change, Ranked, Row, changes, ranked
from howgreen.batch.run import Ask, Workers, rank
from howgreen.batch.write import COLUMNS, table, write_ranking

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
    "verdict",
    "write_ranking",
]
