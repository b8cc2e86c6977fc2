"""Run a plan on Google's machines: the green mask as a file in the user's Drive (extra ``[ee]``).

For areas too large to download. Plan, scenes, bands and model are the same; the composite is Earth Engine's own median
of the pixels that the mask calls clear, without our vote over dates and our cloud margins, so single pixels may differ.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

from howgreen import landcover
from howgreen.core.errors import PlanError
from howgreen.core.sensors import QA_BAD_BITS, SCL_BAD, SENSORS
from howgreen.core.types import UNSEEN, Plan, Scene
from howgreen.imagery.read import earthengine

MOST_PIXELS = 10_000_000_000


def export(plan: Plan, *, folder: str = "howgreen", name: str = "green_mask") -> str:
    """Start the export of ``NAME.tif`` (uint8: 1 green, 0 not, 255 not counted) to a Drive folder; return its task id.

    Parameters
    ----------
    plan
        Made with the catalogue ``earth-engine`` and a pixel model.
    folder, name
        In the user's Drive.

    Raises
    ------
    PlanError
        The plan's images are not Earth Engine's, or its model file has changed.
    MissingExtraError, ModelError, NetworkError
        As :func:`howgreen.imagery.read.earthengine.connect` and :func:`howgreen.landcover.earth.cover`.
    """
    if any(asset.signer != earthengine.SIGNER for scene in plan.scenes for asset in scene.assets):
        raise PlanError(f"plan of {plan.source}: its images are not Earth Engine's; plan with --catalog earth-engine")
    model = landcover.planned_model(plan.model, sha256=plan.model_sha256)
    from howgreen.landcover.earth_engine import graph_of, green_mask

    graph_of(model)  # report what cannot be exported before anybody has to log in
    ee = earthengine.connect(plan.source)
    with earthengine.translate_errors(plan.source):
        picture = ee.ImageCollection.fromImages([_clear(ee, scene, model.card.bands) for scene in plan.scenes]).median()
        mask = green_mask(model, picture.select(list(model.card.bands)))
        limits = ee.Geometry(plan.city.boundary.__geo_interface__, geodesic=False)
        task = ee.batch.Export.image.toDrive(
            image=mask.clip(limits).unmask(UNSEEN, sameFootprint=False).toUint8(),
            description=name,
            folder=folder,
            fileNamePrefix=name,
            crs=str(plan.grid.crs),
            crsTransform=list(plan.grid.transform)[:6],
            region=_frame(ee, plan),
            maxPixels=MOST_PIXELS,
        )
        task.start()
        return str(task.id)


def _frame(ee: Any, plan: Plan) -> Any:
    box = plan.grid.boundingbox
    return ee.Geometry.Rectangle([box.left, box.bottom, box.right, box.top], proj=str(plan.grid.crs), geodesic=False)


def _clear(ee: Any, scene: Scene, bands: tuple[str, ...]) -> Any:
    """Mask a scene's reflectance to clear pixels, with bands by common name."""
    names = {asset.band: earthengine.address(asset.href) for asset in scene.assets}
    sensor = SENSORS[scene.sensor]
    image = ee.Image(names[bands[0]].image)
    reflectance = (
        image.select([names[band].band for band in bands], list(bands)).multiply(scene.scale).add(scene.offset)
    )
    codes = image.select(names[sensor.mask].band)
    if sensor.mask == "scl":
        good = [codes.neq(code) for code in SCL_BAD]
    else:
        good = [codes.bitwiseAnd(sum(1 << bit for bit in QA_BAD_BITS)).eq(0)]
    return reflectance.updateMask(reduce(lambda one, other: one.And(other), good))
