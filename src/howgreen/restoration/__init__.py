"""Urban ecosystems under the EU's Nature Restoration Regulation: the areas of Article 8, counted on its official maps.

Areas of urban green space and of tree cover are sums over the official maps inside official limits, in EPSG:3035. They
are not howgreen's green ratio, and never carry its name.
"""

from howgreen.restoration._account import (
    CHANGE_MARGIN,
    MARGIN,
    Account,
    Cover,
    Maps,
    Sums,
    Total,
    Unit,
    UnitAccount,
    account,
)
from howgreen.restoration._maps import CLCPLUS, LAEA, PIXEL_M, TREE_COVER, CoverMap, cut_out, open_map
from howgreen.restoration._zones import AREAS, Clusters, clusters_from, zones_of

__all__ = [
    "AREAS",
    "CHANGE_MARGIN",
    "CLCPLUS",
    "LAEA",
    "MARGIN",
    "PIXEL_M",
    "TREE_COVER",
    "Account",
    "Clusters",
    "Cover",
    "CoverMap",
    "Maps",
    "Sums",
    "Total",
    "Unit",
    "UnitAccount",
    "account",
    "clusters_from",
    "cut_out",
    "open_map",
    "zones_of",
]
