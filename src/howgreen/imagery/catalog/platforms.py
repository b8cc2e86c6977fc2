"""Satellites of one sensor that do not see quite the same: what a reader must know when a picture mixes them."""

from __future__ import annotations

from collections.abc import Sequence

from howgreen.core.sensors import LANDSAT, native_names
from howgreen.core.types import Scene


def mixture(scenes: Sequence[Scene]) -> tuple[str, ...]:
    """A note where scenes of Landsats 4-7 and of 8 and 9 are used together; nothing otherwise.

    The bands of ETM+ (and TM) are wider than OLI's, so that the same ground differs a little, in the near-infrared most
    (Roy et al. 2016, Remote Sensing of Environment 185, doi:10.1016/j.rse.2015.12.024). Their regression is not applied:
    it was fitted to the conterminous United States, and a correction that nobody asked for hides in every figure.
    """
    names = sorted({scene.platform for scene in scenes if scene.sensor == LANDSAT.name and scene.platform})
    kinds = {tuple((native_names(LANDSAT, name) or {}).items()) for name in names}
    if len(kinds) < 2:
        return ()
    told = ", ".join(name.replace("landsat-", "Landsat ") for name in names)
    return (f"images of {told} in one picture: their bands differ a little (Roy et al. 2016), nothing was corrected",)
