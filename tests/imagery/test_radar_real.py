"""Real Sentinel-1: the composite against plain rasterio and numpy."""

import warnings
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
import rasterio
from click.testing import CliRunner
from odc.geo.geobox import GeoBox
from rasterio.errors import NotGeoreferencedWarning

from howgreen import store as stores
from howgreen.cli import howgreen as command
from howgreen.core.errors import ImageError
from howgreen.core.sensors import SENSORS
from howgreen.core.stac import Header
from howgreen.core.types import Period
from howgreen.imagery import choose, composite, find
from howgreen.store import put_scene

pytestmark = pytest.mark.real


def test_senica_through_the_command_line(shared_data, tmp_path):
    files = [shared_data / "senica_s1" / f"{pol}.tif" for pol in ("VV", "VH")]
    root = tmp_path / "store"
    given = [*map(str, files), "--store", str(root), "--city", "Senica", "--date", "2018-07-01"]
    added = CliRunner().invoke(command, ["store", "add", *given])
    assert added.exit_code == 0, added.output
    (scene,) = stores.scenes(root)
    with rasterio.open(files[0]) as vv, rasterio.open(files[1]) as vh:
        grid = GeoBox(vv.shape, vv.transform, str(vv.crs))
        expected = np.stack([vv.read(1), vh.read(1)])
    made = composite([scene], grid=grid, bands=("vv", "vh"), block_px=200).data.compute()
    np.testing.assert_allclose(made["reflectance"], expected, atol=0.00501, rtol=0)
    assert (made["n_clear"] == 1).all()


def months(path, name):
    """(month, y, x) and the days of a variable, as float with NaN."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(f"netcdf:{path}:{name}") as file:
            numbers = file.read()
            days = [int(day) for day in file.tags()["NETCDF_DIM_t_VALUES"].strip("{}").split(",")]
            grid = GeoBox(file.shape, file.transform, str(file.crs))
    return numbers, [date(1990, 1, 1) + timedelta(days=day) for day in days], grid


def test_a_year_of_two_sensors(shared_data, tmp_path, make_city):
    """Monthly pictures of one square kilometre; WorldCereal keeps backscatter as DN with dB = 20 log10(DN) - 83."""
    path = shared_data / "two_sensors" / "worldcereal_preprocessed_inputs.nc"
    names = {"blue": "S2-L2A-B02", "red": "S2-L2A-B04", "nir": "S2-L2A-B08"}
    light = {band: months(path, name) for band, name in names.items()}
    waves = {band: months(path, f"S1-SIGMA0-{band.upper()}")[0].astype(np.float64) for band in ("vv", "vh")}
    _, days, grid = light["red"]
    root, refused = tmp_path / "store", []
    for number, day in enumerate(days):
        noon = datetime(day.year, day.month, day.day, 10, tzinfo=UTC)
        power = {band: ((dn[number] ** 2) * 10**-8.3).astype(np.float32) for band, dn in waves.items()}
        put_scene(root, Header(id=f"wave-{day}", sensor=SENSORS["sentinel-1"], time=noon, scale=1.0, offset=0.0, nodata=None, unit="1"), {band: (values, grid) for band, values in power.items()})  # fmt: skip
        try:
            put_scene(root, Header(id=f"light-{day}", sensor=SENSORS["sentinel-2"], time=noon, scale=1e-4, offset=0.0, nodata=65535), {band: (numbers[number], grid) for band, (numbers, _, _) in light.items()})  # fmt: skip
        except ImageError as error:
            refused.append((number, "every pixel is nodata" in str(error)))
    assert refused == [(1, True), (2, True)]  # the two months that no camera saw
    city = make_city(grid.extent.geom.buffer(-30), crs=str(grid.crs))
    period = Period(start=days[0], end=days[-1])
    used = {
        sensor: choose(find(city, period, root=root, sensor=sensor), city=city, period=period, bands=bands)[0]
        for sensor, bands in (("sentinel-2", tuple(names)), ("sentinel-1", tuple(waves)))
    }
    assert len(used["sentinel-1"]) == 12
    made = composite(
        used["sentinel-2"], radar=used["sentinel-1"], grid=grid, bands=(*names, *waves), block_px=64
    ).data.compute()
    taken = [n for n, day in enumerate(days) if f"light-{day}" in {scene.id for scene in used["sentinel-2"]}]
    for band, (numbers, _, _) in light.items():
        expected = np.median(numbers[taken], axis=0) * 1e-4
        np.testing.assert_allclose(made["reflectance"].sel(band=band), expected, atol=1e-6)
    for band, dn in waves.items():
        expected = np.median(20 * np.log10(dn) - 83, axis=0)
        np.testing.assert_allclose(made["reflectance"].sel(band=band), expected, atol=0.0101)
