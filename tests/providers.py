"""Scenes as public catalogues serve them: the same bare numbers, each provider's own keys, flags and offset."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox

from catalogue import natives, served
from faults import Faults
from howgreen.core.sensors import SENSORS
from howgreen.core.stac import Header
from howgreen.store import put_scene

BANDS = ("blue", "green", "red", "nir")
PC_KEYS = {"blue": "B02", "green": "B03", "red": "B04", "nir": "B08", "scl": "SCL"}


@dataclass(frozen=True, kw_only=True)
class Look:
    """One item: bare DN (reflectance x 10000, 0 where there is nothing), before any provider touched them."""

    id: str
    time: datetime
    grid: GeoBox
    bare: Mapping[str, Any]
    baseline: str = "05.11"
    tile: str = "32TPS"
    collection: str = "sentinel-2-l2a"
    """Earth Search has ``sentinel-2-c1-l2a`` too, in which it takes nothing out."""
    said: Mapping[str, Any] = field(default_factory=dict)
    """More properties, or others than are true."""
    geometry: Mapping[str, Any] | None = None
    """An outline that the item claims instead of its own."""


@contextmanager
def provider(kind: str, looks: Sequence[Look], folder: Path) -> Iterator[str]:
    """A catalogue (``earth-search``: offset taken out, with the flag; ``planetary-computer``: as delivered) on the
    loopback; its name and address as ``--catalog`` takes them.
    """
    with provider_with_files(kind, looks, folder) as (catalog, _):
        yield catalog


@contextmanager
def provider_with_files(kind: str, looks: Sequence[Look], folder: Path) -> Iterator[tuple[str, Faults]]:
    """The same, and the server of its files, which can be told to fail."""
    for look in looks:
        _publish(look, folder / "store", takes_offset_out=_takes_out(kind, look))
    by_id = {look.id: look for look in looks}
    with Faults(root=folder) as files:
        features = [
            _shaped(native, by_id[native["id"]], kind)
            for native in natives(folder / "store", files=files.url, base=folder)
        ]
        with served(features, folder) as url:
            yield f"{kind}={url}", files


def _takes_out(kind: str, look: Look) -> bool:
    return kind == "earth-search" and look.collection == "sentinel-2-l2a"


def _publish(look: Look, store: Path, *, takes_offset_out: bool) -> None:
    added = np.uint16(1000 if look.baseline >= "04.00" and not takes_offset_out else 0)
    rasters = {
        band: (np.where(bare > 0, bare + added, 0).astype(np.uint16), look.grid) for band, bare in look.bare.items()
    }
    there = np.all([bare > 0 for bare in look.bare.values()], axis=0)
    rasters["scl"] = (np.where(there, 4, 0).astype(np.uint8), look.grid)
    put_scene(store, Header(id=look.id, sensor=SENSORS["sentinel-2"], time=look.time, scale=1e-4, offset=-0.1 if added else 0.0, nodata=0, baseline=look.baseline, synthetic=True), rasters)  # fmt: skip


def _shaped(native: dict[str, Any], look: Look, kind: str) -> dict[str, Any]:
    """A store's item as the provider would write it: nothing of ours left in it."""
    properties = {key: value for key, value in native["properties"].items() if not key.startswith("howgreen:")}
    properties |= {
        "s2:mgrs_tile": look.tile,
        "s2:datatake_id": f"GS2A_{look.time:%Y%m%dT%H%M%S}_000001_N{look.baseline}",
    }
    assets = {}
    for band, entry in native["assets"].items():
        plain = {"href": entry["href"], "type": "image/tiff", "roles": ["data"]}
        if kind == "planetary-computer":
            assets[PC_KEYS[band]] = plain
            continue
        offset = {"scale": 1e-4, "offset": -0.1} if band != "scl" else {}  # stated although it is taken out
        assets[band] = plain | {"raster:bands": [{"nodata": 0, "data_type": "uint16", **offset}]}
    if _takes_out(kind, look) and look.baseline >= "04.00":
        properties["earthsearch:boa_offset_applied"] = True
    shape = {"geometry": look.geometry} if look.geometry else {}
    return native | {"collection": look.collection, "properties": properties | look.said, "assets": assets} | shape
