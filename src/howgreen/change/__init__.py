"""Detect change between two answers for one place on one grid."""

from howgreen.change._clusters import KINDS, MOST_CLUSTERS, clusters
from howgreen.change._ground import Answer, misplaced
from howgreen.change._measured import SAID, measured
from howgreen.change._normalise import normalise

NAMES = (*SAID, *KINDS)
"""Names of change classes; several clusters of one kind are numbered."""

__all__ = ["MOST_CLUSTERS", "NAMES", "Answer", "clusters", "measured", "misplaced", "normalise"]
