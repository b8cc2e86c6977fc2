"""Two answers for one place on one grid in, what changed between them out."""

from howgreen.change._clusters import MOST_CLUSTERS, clusters
from howgreen.change._ground import Answer
from howgreen.change._measured import MAPPING_UNIT_M2, measured
from howgreen.change._normalise import normalise

__all__ = ["MAPPING_UNIT_M2", "MOST_CLUSTERS", "Answer", "clusters", "measured", "normalise"]
