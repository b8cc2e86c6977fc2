"""Amounts of data and training in the contest."""

from __future__ import annotations

from dataclasses import dataclass

SEED = 31
CANDIDATES = 3
"""Settings that each algorithm may try: the same tuning budget for all."""


@dataclass(frozen=True, kw_only=True)
class Effort:
    """Sizes of one run; every algorithm gets the same samples."""

    per_kind: int = 400
    """Canopies of each kind."""
    mixtures: int = 24_000
    """Simulated pixels without neighbours."""
    canvases: int = 24
    """Simulated training towns; each is rendered with ``looks`` different sets of materials."""
    looks: int = 3
    extent_m: int = 1500
    scene_pixels: int = 9_000
    """Pixels drawn from those towns for the pixel learners."""
    real_per_class: int = 400
    """Labelled real pixels per class and city."""
    judge_cities: int = 20
    judge_extent_m: int = 1800
    judged_pixels: int = 3_000
    """Most real pixels of a city used for judging."""
    epochs: int = 16
    unet_steps: int = 2_000
    trees: int = 60
    support: int = 1_500
    """Pixels kept by KNN and SVM: file size and run time grow with it."""


QUICK = Effort(
    per_kind=12, mixtures=1_500, canvases=2, looks=1, extent_m=600, scene_pixels=600, real_per_class=40, judge_cities=2,
    judge_extent_m=600, judged_pixels=250, epochs=4, unet_steps=8, trees=8, support=120,
)  # fmt: skip
"""For a first look and for tests: the figures mean nothing."""
