"""One image in more than forty forms gives one answer, or is refused with a cure that then works."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from rasterio.windows import Window

import howgreen
from catalogue import served
from faults import Faults
from howgreen import place, store
from howgreen.core.errors import ImageError
from howgreen.core.warnings import HowgreenWarning
from howgreen.pipeline.sync import sync
from reencode import BANDS, FORMS, NATIVE, PACKING, Form, Truth, coded, stack

SIDE = 160
QUICK = {
    "uint16", "int16 with -9999 untold", "floats with zeros untold", "65535 is one", "floats times 2.5", "the +1000, tagged with no offset", "the +1000, a rim below it",
    "each band packed by itself", "a mask inside", "an alpha band", "degrees", "no names", "SCL beside a file of many bands", "Fmask",
}  # fmt: skip
"""Forms that every run of the tests takes; the others take as long again."""


def truth_of(light: dict[str, np.ndarray], crs: str, transform: Any) -> Truth:
    """Reflectance with a corner beyond the swath, and a cloud."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    empty = rows + columns < 0.6 * SIDE
    scl = np.full((SIDE, SIDE), 4, np.uint8)
    scl[100:130, 60:110] = 9
    scl[empty] = 0
    return Truth(
        light={band: np.where(empty, np.nan, np.maximum(one, 1e-4)) for band, one in light.items()},
        scl=scl,
        crs=crs,
        transform=transform,
    )


@pytest.fixture(scope="module")
def simulated(sampleton: Path) -> Truth:
    scene = next(
        one
        for one in store.scenes(sampleton)
        if one.sensor == "sentinel-2" and one.offset == 0 and f"{one.time:%m}" == "06"
    )
    light = {}
    for band in BANDS:
        with rasterio.open(scene.asset(band).href) as file:
            window = Window(120, 120, SIDE, SIDE)
            light[band] = file.read(1, window=window) * 1e-4
            where = file.window_transform(window), file.crs.to_string()
    return truth_of(light, where[1], where[0])


@pytest.fixture(scope="module")
def real(shared_data: Path) -> Truth:
    with rasterio.open(shared_data / "bolzano" / "S2_L2A_sample.tif") as file:
        window = Window(400, 250, SIDE, SIDE)
        planes = dict(zip(("red", "green", "blue", "nir"), file.read((1, 2, 3, 4), window=window) * 1e-4, strict=True))
        return truth_of({band: planes[band] for band in BANDS}, file.crs.to_string(), file.window_transform(window))


def area_of(truth: Truth) -> Any:
    """Limits a little inside the image."""
    inner = shapely.box(*rasterio.transform.array_bounds(SIDE, SIDE, truth.transform)).buffer(-45, join_style="mitre")
    geometry = rasterio.warp.transform_geom(
        truth.crs, "EPSG:4326", shapely.geometry.mapping(shapely.segmentize(inner, 200))
    )
    return place.from_shape(shapely.geometry.shape(geometry), name="Box")


def answer(root: Path, truth: Truth) -> tuple[float, float, float]:
    """Green ratio, share seen, land in square metres."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HowgreenWarning)
        found = howgreen.city(area_of(truth), images=howgreen.Store(root)).stats
    assert found.green_ratio is not None
    assert found.observed_ratio is not None
    return found.green_ratio, found.observed_ratio, found.land_area_m2


def add(paths: list[Path], root: Path, **options: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HowgreenWarning)
        store.add(paths, root=root, city="Box", options=store.Options(**options))


_EXPECTED: dict[tuple[int, bool], tuple[float, float, float]] = {}


def expected(truth: Truth, folder: Path, *, masked: bool) -> tuple[float, float, float]:
    """The answer of the plain form, with or without its cloud mask."""
    key = id(truth), masked
    if key not in _EXPECTED:
        plain = next(form for form in FORMS if form.name == ("SCL among the bands" if masked else "uint16"))
        add(plain.write(truth, folder / "plain"), folder / "plain-store")
        _EXPECTED[key] = answer(folder / "plain-store", truth)
    return _EXPECTED[key]


def holds(form: Form, truth: Truth, folder: Path) -> None:
    paths = form.write(truth, folder / "given")
    if form.refused:
        with pytest.raises(ImageError) as caught:
            add(paths, folder / "store")
        assert form.refused in str(caught.value)
        assert not (folder / "store").exists()
    add(paths, folder / "store", **form.options)
    ratio, seen, land = answer(folder / "store", truth)
    right = expected(truth, folder, masked=form.masked)
    assert ratio == pytest.approx(right[0], abs=form.tolerance)
    assert seen == pytest.approx(right[1], abs=form.tolerance)
    assert land == pytest.approx(right[2], rel=form.tolerance)


@pytest.fixture(autouse=True)
def _own_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


def test_the_forms_are_many_and_their_answers_tell_something(simulated: Truth, tmp_path: Path):
    assert len({form.name for form in FORMS}) == len(FORMS) >= 50
    plain, cloudy = (expected(simulated, tmp_path / str(masked), masked=masked) for masked in (False, True))
    assert 0.1 < plain[0] < 0.9
    assert cloudy[1] < plain[1] - 0.03 < 0.9


@pytest.mark.parametrize("form", [form for form in FORMS if form.name in QUICK], ids=lambda form: form.name)
def test_a_form_gives_the_same_answer(form: Form, simulated: Truth, tmp_path: Path):
    """Bands of unlike scales: xarray-spatial#2988, rio-tiler#707, rioxarray#833. Pixels below the +1000: earth-search#23, #77, MAJA#76."""
    holds(form, simulated, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("form", [form for form in FORMS if form.name not in QUICK], ids=lambda form: form.name)
def test_every_other_form_gives_the_same_answer(form: Form, simulated: Truth, tmp_path: Path):
    holds(form, simulated, tmp_path)


@pytest.mark.real
@pytest.mark.parametrize("form", [form for form in FORMS if form.name in QUICK], ids=lambda form: form.name)
def test_a_form_of_a_real_image_gives_the_same_answer(form: Form, real: Truth, tmp_path: Path):
    holds(form, real, tmp_path)


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.parametrize("form", [form for form in FORMS if form.name not in QUICK], ids=lambda form: form.name)
def test_every_other_form_of_a_real_image_gives_the_same_answer(form: Form, real: Truth, tmp_path: Path):
    holds(form, real, tmp_path)


# ---- the same through catalogues

LATER = {"s2:processing_baseline": "05.10"}
STATED = {"scale": 1e-4, "offset": -0.1, "nodata": 0, "data_type": "uint16"}
SERVED: tuple[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]], ...] = (
    # name, how the numbers are written, what the item says of its bands, what it says of itself
    ("as ESA delivers it", {"offset": -0.1}, {}, LATER),
    ("a baseline as a number", {"offset": -0.1}, {}, {"s2:processing_baseline": 5}),
    ("a baseline with its letter", {"offset": -0.1}, {}, {"sentinel:processing_baseline": "N0510"}),
    ("an old baseline", {}, {"raster:bands": [STATED]}, {"s2:processing_baseline": "02.14"}),
    ("the offset taken out", {}, {"raster:bands": [STATED]}, LATER | {"earthsearch:boa_offset_applied": True}),
    ("the same by the older name", {}, {}, LATER | {"sentinel:boa_offset_applied": True}),
    ("a flag that is wrong", {}, {}, LATER | {"earthsearch:boa_offset_applied": False}),
    ("nothing said, the offset in", {"offset": -0.1}, {}, {}),
    ("nothing said, the offset out", {}, {}, {}),
    ("Sen2Cor at home", {"offset": -0.1}, {"raster:bands": [STATED]}, {"s2:processing_baseline": "99.99"}),
    ("65535 is one, as stated", {"scale": 1 / 65535}, {"raster:bands": [{"scale": 1 / 65535, "offset": 0}]}, LATER),
    ("int16 with -9999, STAC 1.1", {"dtype": "int16", "fill": -9999},
     {"bands": [{"name": "x"}], "raster:scale": 1e-4, "raster:offset": 0, "nodata": -9999, "data_type": "int16"}, {}),
    ("floats", {"scale": 1.0, "dtype": "float32", "fill": None},
     {"raster:bands": [{"data_type": "float32", "scale": 1, "offset": 0, "nodata": "nan"}]}, LATER),
    ("floats with zeros untold", {"scale": 1.0, "dtype": "float32"}, {"raster:bands": [{"data_type": "float32"}]}, LATER),
)  # fmt: skip


def item(
    name: str, day: int, hrefs: dict[str, str], said: dict[str, Any], properties: dict[str, Any], truth: Truth
) -> dict[str, Any]:
    outline = area_of(truth).boundary.buffer(0.01).envelope
    own = said if isinstance(said.get("red"), dict) else dict.fromkeys(hrefs, said)
    return {
        "type": "Feature", "stac_version": "1.0.0", "id": name, "collection": "sentinel-2-l2a", "links": [],
        "bbox": list(outline.bounds), "geometry": shapely.geometry.mapping(outline),
        "properties": {"datetime": f"2024-06-{day:02d}T10:00:00Z", "platform": "sentinel-2a"} | properties,
        "assets": {band: {"href": href, "type": "image/tiff; application=geotiff", "roles": ["data"]} | own.get(band, {})
                   for band, href in hrefs.items()},
    }  # fmt: skip


@pytest.fixture(scope="module")
def catalogue(simulated: Truth, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A STAC API with the image in every form, one a day; its files lie below the folder, in one of their own each."""
    base = tmp_path_factory.mktemp("served")
    with Faults(root=base) as files:
        items = []
        forms = [
            *SERVED,
            ("each band packed by itself", {}, {}, {}),
            ("a mask inside", {}, {}, {}),
            ("a mask beside", {}, {}, {}),
            ("times 2.5, unsaid", {"scale": 4e-5}, {}, {}),
        ]
        for day, (name, how, said, properties) in enumerate(forms, 1):
            folder = base / str(day)
            planes, own = coded(simulated, **how), said
            if name == "each band packed by itself":
                planes = {band: coded(simulated, scale=s, offset=o)[band] for band, (s, o) in PACKING.items()}
                own = {
                    band: {"raster:bands": [{"scale": s, "offset": o, "nodata": 0}]} for band, (s, o) in PACKING.items()
                }
            masked = name in {"a mask inside", "a mask beside"}
            if masked:
                planes = coded(simulated, fill=700)
            for band, values in planes.items():
                path = stack(simulated, folder / f"x_202406{day:02d}_{NATIVE[band]}.tif", {band: values}, names=None)
                if masked:
                    inside = name == "a mask inside"
                    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=inside), rasterio.open(path, "r+") as out:
                        out.write_mask(~simulated.empty)
            hrefs = {band: f"{files.url}/{day}/x_202406{day:02d}_{NATIVE[band]}.tif" for band in BANDS}
            items.append(item(f"form-{day}", day, hrefs, own, properties, simulated))
        with served(items, base) as url:
            yield url, base


def asked(url: str, day: int, truth: Truth) -> tuple[float, float, float]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HowgreenWarning)
        period = f"2024-06-{day:02d}/2024-06-{day:02d}"
        found = howgreen.city(area_of(truth), images=howgreen.Catalogs(url), period=period).stats
    return found.green_ratio, found.observed_ratio, found.land_area_m2


@pytest.mark.parametrize(
    "day",
    range(1, len(SERVED) + 4),
    ids=[*(name for name, *_ in SERVED), "each band packed by itself", "a mask inside", "a mask beside"],
)
def test_a_catalogue_of_any_habit_gives_the_same_answer(
    day: int, catalogue: tuple[str, Path], simulated: Truth, tmp_path: Path
):
    ratio, seen, land = asked(catalogue[0], day, simulated)
    right = expected(simulated, tmp_path, masked=False)
    assert ratio == pytest.approx(right[0], abs=0.003)
    assert seen == pytest.approx(right[1], abs=0.003)
    assert land == pytest.approx(right[2], rel=0.003)


@pytest.mark.parametrize("day", [len(SERVED) + 2, len(SERVED) + 3], ids=["a mask inside", "a mask beside"])
def test_what_is_kept_of_a_masked_image_gives_the_same_answer(
    day: int, catalogue: tuple[str, Path], simulated: Truth, tmp_path: Path
):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HowgreenWarning)
        period = f"2024-06-{day:02d}/2024-06-{day:02d}"
        sync(
            howgreen.plan(area_of(simulated), images=howgreen.Catalogs(catalogue[0]), period=period),
            root=tmp_path / "kept",
        )
    assert answer(tmp_path / "kept", simulated) == pytest.approx(
        expected(simulated, tmp_path, masked=False), abs=0.003, rel=0.003
    )


def test_what_a_catalogue_does_not_say_is_refused_and_the_cure_works(
    catalogue: tuple[str, Path], simulated: Truth, tmp_path: Path
):
    day = len(SERVED) + 4
    with pytest.raises(ImageError, match=r"multiplied; likely scale 4e-05 offset 0; .*howgreen store add.*--scale"):
        asked(catalogue[0], day, simulated)
    add(sorted((catalogue[1] / str(day)).glob("*.tif")), tmp_path / "store", scale=4e-5)
    assert answer(tmp_path / "store", simulated) == pytest.approx(
        expected(simulated, tmp_path, masked=False), rel=0.003
    )


def test_earth_engine_gives_the_same_answer(simulated: Truth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import earth_server
    from howgreen.imagery.read import earthengine

    monkeypatch.setenv("EARTHENGINE_PROJECT", "p")
    outline = area_of(simulated).boundary.buffer(0.01).envelope
    numbers, short = coded(simulated), {band: name.replace("0", "") for band, name in NATIVE.items()}
    images = [
        earth_server.Image(
            id="COPERNICUS/S2_SR_HARMONIZED/one", start="2024-06-30T10:00:00Z", footprint=outline, crs=simulated.crs,
            bands={short[band]: (numbers[band], simulated.transform) for band in BANDS} | {"SCL": (simulated.scl, simulated.transform)},
            properties={"MGRS_TILE": "32TPS", "PROCESSING_BASELINE": "05.10"},
        )
    ]  # fmt: skip
    earthengine._grid.cache_clear()
    try:
        with earth_server.served(images) as world, warnings.catch_warnings():
            warnings.simplefilter("ignore", HowgreenWarning)
            catalog = howgreen.Catalogs(f"earth-engine={world.url}")
            found = howgreen.city(area_of(simulated), images=catalog, period="2024-06-30/2024-06-30").stats
    finally:
        earthengine._connected.clear()
    got = found.green_ratio, found.observed_ratio, found.land_area_m2
    assert got == pytest.approx(expected(simulated, tmp_path, masked=True), rel=0.003)
