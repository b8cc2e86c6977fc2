"""Small images in the formats that people have: how they are written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox

ORIGIN = (674000.0, 5154960.0)


def make_grid(shape=(60, 80), res=10.0, crs="EPSG:32632", origin=ORIGIN) -> GeoBox:
    return GeoBox(shape, Affine(res, 0, origin[0], 0, -res, origin[1]), crs)


def make_values(shape=(60, 80), seed=0, low=200, high=4000, dtype="uint16") -> np.ndarray:
    return np.random.default_rng(seed).integers(low, high, shape).astype(dtype)


RGBN = ("red", "green", "blue", "nir")

SAFE_XML = """<?xml version="1.0" encoding="UTF-8" standalone="no"?>{doctype}
<n1:Level-2A_User_Product xmlns:n1="https://psd-14.sentinel2.eo.esa.int/PSD/User_Product_Level-2A.xsd">
  <n1:General_Info>
    <Product_Info>
      <PRODUCT_START_TIME>2023-07-01T10:15:59.024Z</PRODUCT_START_TIME>
      <PRODUCT_STOP_TIME>2023-07-01T10:15:59.024Z</PRODUCT_STOP_TIME>
      <PRODUCT_URI>{name}.SAFE</PRODUCT_URI>
      <PROCESSING_LEVEL>Level-2A</PROCESSING_LEVEL>
      <PROCESSING_BASELINE>{baseline}</PROCESSING_BASELINE>
      <Datatake datatakeIdentifier="GS2A_20230701T101559_041910_N05.09">
        <SPACECRAFT_NAME>Sentinel-2A</SPACECRAFT_NAME>
        <DATATAKE_SENSING_START>2023-07-01T10:15:59.024Z</DATATAKE_SENSING_START>
      </Datatake>
      <Product_Organisation><Granule_List><Granule imageFormat="JPEG2000">
{files}
      </Granule></Granule_List></Product_Organisation>
    </Product_Info>
    <Product_Image_Characteristics>
      <Special_Values><SPECIAL_VALUE_TEXT>NODATA</SPECIAL_VALUE_TEXT><SPECIAL_VALUE_INDEX>0</SPECIAL_VALUE_INDEX></Special_Values>
      <QUANTIFICATION_VALUES_LIST>
        <BOA_QUANTIFICATION_VALUE unit="none">10000</BOA_QUANTIFICATION_VALUE>
        <AOT_QUANTIFICATION_VALUE unit="none">1000.0</AOT_QUANTIFICATION_VALUE>
      </QUANTIFICATION_VALUES_LIST>
{offsets}
    </Product_Image_Characteristics>
  </n1:General_Info>
  <n1:Quality_Indicators_Info><Cloud_Coverage_Assessment>12.5</Cloud_Coverage_Assessment></n1:Quality_Indicators_Info>
</n1:Level-2A_User_Product>
"""


def jp2(path: Path, array: np.ndarray, res: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {
        "driver": "JP2OpenJPEG",
        "count": 1,
        "height": array.shape[0],
        "width": array.shape[1],
        "dtype": array.dtype,
    }
    where = {"crs": "EPSG:32632", "transform": Affine(res, 0, ORIGIN[0], 0, -res, ORIGIN[1])}
    with rasterio.open(path, "w", **profile, **where, QUALITY=100, REVERSIBLE="YES") as target:
        target.write(array, 1)
    path.with_suffix(".jp2.aux.xml").unlink(missing_ok=True)


def landsat_tif(path: Path, array: np.ndarray) -> None:
    nodata = -9999 if array.dtype == np.int16 else 0
    profile = {"count": 1, "height": array.shape[0], "width": array.shape[1], "dtype": array.dtype, "nodata": nodata}
    where = {"crs": "EPSG:32632", "transform": Affine(30, 0, ORIGIN[0], 0, -30, ORIGIN[1])}
    with rasterio.open(path, "w", driver="GTiff", **profile, **where) as t:
        t.write(array, 1)


def mtl(groups: dict, kind: str) -> str:
    if kind == "json":
        return json.dumps({"LANDSAT_METADATA_FILE": groups})
    if kind == "xml":
        inner = "".join(
            f"<{g}>" + "".join(f"<{k}>{v}</{k}>" for k, v in e.items()) + f"</{g}>" for g, e in groups.items()
        )
        return f'<?xml version="1.0" encoding="UTF-8"?><LANDSAT_METADATA_FILE>{inner}</LANDSAT_METADATA_FILE>'
    lines = ["GROUP = LANDSAT_METADATA_FILE"]
    for group, entries in groups.items():
        lines += [f"  GROUP = {group}", *(f'    {k} = "{v}"' for k, v in entries.items()), f"  END_GROUP = {group}"]
    return "\n".join([*lines, "END_GROUP = LANDSAT_METADATA_FILE", "END"])
