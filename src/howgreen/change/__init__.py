"""Two answers for one place on one grid in, what changed between them out."""

from howgreen.change._clusters import KINDS, MOST_CLUSTERS, clusters
from howgreen.change._ground import Answer
from howgreen.change._measured import SAID, measured
from howgreen.change._normalise import normalise

NAMES = (*SAID, *KINDS)
"""Names of classes of change; several clusters of one kind are numbered."""

__all__ = ["MOST_CLUSTERS", "NAMES", "Answer", "clusters", "measured", "normalise"]
