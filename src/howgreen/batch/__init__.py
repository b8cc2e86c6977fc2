"""Many cities in one run, ranked with intervals: ``howgreen rank``."""

from howgreen.batch.cities import Entry, read_list
from howgreen.batch.ranking import Ranked, Row, ranked
from howgreen.batch.run import Ask, rank
from howgreen.batch.write import verdict, write_ranking

__all__ = ["Ask", "Entry", "Ranked", "Row", "rank", "ranked", "read_list", "verdict", "write_ranking"]
