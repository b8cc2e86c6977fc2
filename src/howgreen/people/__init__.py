"""How many people live near how much green. Population counts stay in their cells; limits and green come to them."""

from howgreen.people._cells import Cells, Counts, cells_of_areas, cells_of_grid
from howgreen.people._figures import (
    AROUND_M,
    MIN_PATCH_M2,
    NEAR_M,
    PeopleFigures,
    Surroundings,
    figures,
    gini,
    weighted_quantiles,
)
from howgreen.people._network import SNAP_M, walking_m
from howgreen.people._surroundings import Ground, around, distance_m, mapped_and_seen, patches

__all__ = [
    "AROUND_M",
    "MIN_PATCH_M2",
    "NEAR_M",
    "SNAP_M",
    "Cells",
    "Counts",
    "Ground",
    "PeopleFigures",
    "Surroundings",
    "around",
    "cells_of_areas",
    "cells_of_grid",
    "distance_m",
    "figures",
    "gini",
    "mapped_and_seen",
    "patches",
    "walking_m",
    "weighted_quantiles",
]
