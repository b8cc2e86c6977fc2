"""Small images in the formats that people have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from store_files import ORIGIN, SAFE_XML, jp2, landsat_tif, make_grid, make_values, mtl

from howgreen.core.sensors import SENTINEL2

Maker = Callable[..., Path]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A store that is to be made."""
    return tmp_path / "store"


@pytest.fixture
def grid() -> Callable[..., GeoBox]:
    return make_grid


@pytest.fixture
def values() -> Callable[..., np.ndarray]:
    return make_values


@pytest.fixture
def tif(tmp_path: Path) -> Maker:
    """Writes a (band, y, x) array as a GeoTIFF."""

    def write(name="image_20230701.tif", *, data=None, crs="EPSG:32632", transform=None, names=None, **profile) -> Path:
        array = np.stack([make_values(seed=i) for i in range(4)]) if data is None else data
        path = tmp_path / "given" / name
        path.parent.mkdir(exist_ok=True, parents=True)
        shape = {"count": array.shape[0], "height": array.shape[1], "width": array.shape[2], "dtype": array.dtype}
        where = {
            "crs": crs,
            "transform": Affine(10, 0, ORIGIN[0], 0, -10, ORIGIN[1]) if transform is None else transform,
        }
        with rasterio.open(path, "w", driver="GTiff", **shape, **where, **profile) as target:
            target.write(array)
            for index, text in enumerate(names or [], 1):
                target.set_band_description(index, text)
        return path

    return write


@pytest.fixture
def safe(tmp_path: Path) -> Maker:
    """Builds a Sentinel-2 L2A product with its real layout."""

    def build(*, baseline="05.09", offset=-1000, listed=None, doctype="", leave_out=()) -> Path:
        name = "S2A_MSIL2A_20230701T101559_N0509_R065_T32TPS_20230701T161355"
        folder = tmp_path / "given" / f"{name}.SAFE"
        granule = "GRANULE/L2A_T32TPS_A041910_20230701T101602/IMG_DATA"
        files = []
        wanted = [(b.aliases[0], int(b.resolution_m)) for b in SENTINEL2.bands] + [("SCL", 20), ("B02", 20)]
        for seed, (code, res) in enumerate(wanted):
            inner = f"{granule}/R{res}m/T32TPS_20230701T101559_{code}_{res}m"
            files.append(inner)
            size = (120, 120) if res == 10 else (60, 60)
            array = (
                make_values(size, seed=seed, low=0, high=12, dtype="uint8")
                if code == "SCL"
                else make_values(size, seed, 1200, 5000)
            )
            if code not in leave_out:
                jp2(folder / f"{inner}.jp2", array, res)
        shifts = "".join(f'<BOA_ADD_OFFSET band_id="{i}">{offset}</BOA_ADD_OFFSET>' for i in range(13))
        text = SAFE_XML.format(
            name=name,
            baseline=baseline,
            doctype=doctype,
            files="\n".join(
                f"        <IMAGE_FILE>{file}</IMAGE_FILE>" for file in (files if listed is None else listed)
            ),
            offsets="" if offset is None else f"<BOA_ADD_OFFSET_VALUES_LIST>{shifts}</BOA_ADD_OFFSET_VALUES_LIST>",
        )
        (folder / "MTD_MSIL2A.xml").write_text(text)
        return folder

    return build


@pytest.fixture
def landsat(tmp_path: Path) -> Maker:
    """Builds a Landsat Collection 2 Level-2 product with its real layout, its MTL in one of three spellings."""

    def build(*, spacecraft="LANDSAT_8", kind="json", level="L2SP", rename=None) -> Path:
        number = spacecraft[-1]
        name = f"{'LC' if number in '89' else 'LT'}0{number}_{level}_193028_20230701_20230710_02_T1"
        folder = tmp_path / "given" / name
        folder.mkdir(parents=True)
        codes = (1, 2, 3, 4, 5, 6, 7) if number in "89" else (1, 2, 3, 4, 5, 7)
        contents = {"LANDSAT_PRODUCT_ID": name, "PROCESSING_LEVEL": level, "COLLECTION_NUMBER": "02"}
        rescale = {}
        for code in codes:
            contents[f"FILE_NAME_BAND_{code}"] = f"{name}_SR_B{code}.TIF"
            rescale |= {f"REFLECTANCE_MULT_BAND_{code}": "2.75e-05", f"REFLECTANCE_ADD_BAND_{code}": "-0.2"}
            landsat_tif(folder / f"{name}_SR_B{code}.TIF", make_values((40, 40), code, 7500, 20000))
        contents["FILE_NAME_QUALITY_L1_PIXEL"] = f"{name}_QA_PIXEL.TIF"
        landsat_tif(folder / f"{name}_QA_PIXEL.TIF", make_values((40, 40), 9, 21824, 21953))
        groups = {
            "PRODUCT_CONTENTS": contents | (rename or {}),
            "IMAGE_ATTRIBUTES": {
                "SPACECRAFT_ID": spacecraft,
                "DATE_ACQUIRED": "2023-07-01",
                "SCENE_CENTER_TIME": "10:03:44.1234567Z",
                "CLOUD_COVER": "7.25",
            },
            "LEVEL2_SURFACE_REFLECTANCE_PARAMETERS": rescale,
            "LEVEL1_RADIOMETRIC_RESCALING": {"REFLECTANCE_MULT_BAND_2": "2.0000E-05", "REFLECTANCE_ADD_BAND_2": "-0.1"},
        }
        (folder / f"{name}_MTL.{kind}").write_text(mtl(groups, kind))
        return folder

    return build
