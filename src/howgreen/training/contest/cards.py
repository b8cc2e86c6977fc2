"""Model cards of the contestants."""

from __future__ import annotations

from howgreen.core.models import ModelCard
from howgreen.training.contest import graphs, unet
from howgreen.training.contest.classes import BAND_SETS, CLASSES, PIXEL_M
from howgreen.training.contest.effort import Effort
from howgreen.training.contest.learners import Setting

COMBINATION = "combination"
MEMBERS = ("network", "boosting")
"""Members averaged in the combination: the two best pixel learners in first tests."""

_DESCRIPTIONS = {
    "ndvi-rule": "Green where NDVI exceeds a threshold, the same in all cities.",
    "ndvi-linear": "Green fraction linear in NDVI between two anchors.",
    "knn": "Mean shares of the nearest training pixels; the file holds a random subsample of {support} of them.",
    "svm": "Six support vector machines with radial kernels, on a random subsample of {support} training pixels, calibrated.",
    "forest": "Random forest that regresses the shares of six covers.",
    "boosting": "Gradient boosting (LightGBM) of six covers.",
    "network": "Network of 1x1 convolutions over logged bands and log ratios.",
    "unet": "U-Net over logged bands and log ratios: a pixel and what is around it.",
    COMBINATION: "Average of " + " and ".join(MEMBERS) + ".",
}


def tiling(name: str) -> dict[str, int]:
    """Return tile, halo and stride of a card, by algorithm."""
    tile, halo = {"knn": (64, 0), "svm": (64, 0), "unet": (unet.TILE_PX, unet.HALO_PX)}.get(name, (128, 0))
    return {"tile_px": tile, "halo_px": halo, "stride_px": tile - 2 * halo}


def card_of(name: str, setting: Setting, *, band_set: str, effort: Effort) -> ModelCard:
    """Return the card of a contestant."""
    told = ", ".join(f"{key} {value:g}" for key, value in setting.items())
    return ModelCard(
        name=f"{name}-{band_set}", version="0.1.0", bands=BAND_SETS[band_set],
        description=_DESCRIPTIONS[name].format(support=effort.support) + (f" Setting: {told}." if told else ""),
        resolution_m=PIXEL_M[band_set], normalisation=graphs.NORMALISATION, classes=CLASSES, scores={}, reference_error=None,
        training_data="Simulated mixtures (PROSPECT-D + 4SAIL, soils, water, SLUM materials: Kotthaus et al. 2014, "
        "doi:10.5281/zenodo.4263842), simulated towns with shadows, and labelled Sentinel-2 pixels of Freiburg, Münster and "
        "Aberystwyth; contains modified Copernicus Sentinel data. The contest says which city was left out",
        licence="Apache-2.0", learned_from=(), **tiling(name),
    )  # fmt: skip
