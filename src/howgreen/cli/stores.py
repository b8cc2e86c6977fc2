"""``store``: images kept on disk."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import click

from howgreen.cli.asked import AskedPlan
from howgreen.cli.options import FILE, FOLDER, place_options, plan_options, refuse_beside_plan
from howgreen.cli.progress import bars
from howgreen.cli.root import howgreen
from howgreen.cli.say import say
from howgreen.cli.warnings import refuse_if_strict


@howgreen.group("store")
def store_group() -> None:
    """Keep images on disk as a plain STAC catalogue of COGs."""


@store_group.command("add")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--store", type=FOLDER, help="Folder of the store (default: your own).")
@click.option("--city", required=True, help="The city that the images show.")
@click.option("--area", help="Its limits: a vector file, or WKT / GeoJSON text (default: the image's footprint).")
@click.option("--bands", help="Names of the bands in their order: red,green,blue,nir,scl.")
@click.option("--scale", type=float, help="Reflectance = DN x scale + offset.")
@click.option("--offset", type=float, help="See --scale.")
@click.option("--nodata", type=int, help="DN that means no data.")
@click.option("--date", "day", type=click.DateTime(["%Y-%m-%d"]), help="Day of the image, where its files do not say.")
@click.option("--sensor", help="sentinel-2, landsat or sentinel-1, where the files do not say.")
@click.option("--unit", help="Of radar bands: dB or power (linear), where the pixels do not tell.")
@click.option("--replace", is_flag=True, help="Replace a scene that the store already has.")
def store_add(
    files: tuple[Path, ...],
    store: Path | None,
    city: str,
    area: str | None,
    bands: str | None,
    scale: float | None,
    offset: float | None,
    nodata: int | None,
    day: datetime | None,
    sensor: str | None,
    unit: str | None,
    replace: bool,  # noqa: FBT001 (a flag of the command line)
) -> None:
    """Add images: multi-band GeoTIFFs, a Sentinel-2 L2A SAFE folder, a Landsat Collection 2 Level-2 folder."""
    from howgreen import place
    from howgreen import store as stores
    from howgreen.pipeline import image_sources

    root = store or image_sources.default_store()
    boundary = None if area is None else place.find(city, area=area)
    with bars() as progress:
        added = stores.add(
            files,
            root=root,
            city=city,
            boundary=boundary,
            bands=None if bands is None else [band.strip() for band in bands.split(",")],
            scale=scale,
            offset=offset,
            nodata=nodata,
            date=None if day is None else day.date(),
            sensor=sensor,
            unit=unit,
            replace=replace,
            progress=progress,
        )
    for item in added:
        say(f"{root}: {item}")


@store_group.command("sync")
@place_options
@plan_options
@click.option("--plan", "plan_file", type=FILE, help="Keep what a saved plan.json needs instead of making a new plan.")
@click.option("--all", "everything", is_flag=True, help="Keep the images that were found and not used as well.")
def store_sync(
    plan_file: Path | None,
    everything: bool,  # noqa: FBT001 (a flag of the command line)
    store: Path | None,
    catalogs: tuple[str, ...],
    **asked: Any,
) -> None:
    """Keep what NAME needs from the open catalogues: then `city NAME --store DIR --offline` gives the same answer.

    NAME is as for `city`. Stopped at any moment, the same command goes on from there.
    """
    from howgreen.net.endpoints import DEFAULT_CATALOGS
    from howgreen.pipeline import city as pipeline
    from howgreen.pipeline import image_sources, sync

    root = store or image_sources.default_store()
    if plan_file is not None:
        refuse_beside_plan([*asked, "catalogs"])
    with bars() as progress:
        if plan_file is not None:
            planned = pipeline.read_plan(plan_file)
        else:
            known = root if (root / "catalog.json").is_file() else None
            asked_of = catalogs or DEFAULT_CATALOGS
            planned = AskedPlan(**asked, store=known, catalogs=asked_of).plan(progress=progress)
        refuse_if_strict()
        kept = sync.sync(planned, root=root, everything=everything, progress=progress)
    for note in planned.notes:
        say(f"note: {note}")
    say(
        f"{root}: {planned.city.label}, {len(kept.fetched)} scenes fetched, {len(kept.there)} there already"
        + (f", {len(kept.empty)} show nothing of it" if kept.empty else "")
    )


@store_group.command("list")
@click.option("--store", type=FOLDER, help="Folder of the store (default: your own).")
def store_list(store: Path | None) -> None:
    """What a store holds."""
    from howgreen import store as stores
    from howgreen.pipeline import image_sources

    for row in stores.listing(store or image_sources.default_store()):
        size = "" if row.size_bytes is None else f"  {row.size_bytes / 2**20:.1f} MiB"
        say(f"{row.time:%Y-%m-%d}  {row.sensor}  {', '.join(row.places) or '-'}  {row.id}{size}")
        say(f"            {', '.join(row.bands)}{'  (synthetic)' if row.synthetic else ''}")


@store_group.command("verify")
@click.option("--store", type=FOLDER, help="Folder of the store (default: your own).")
def store_verify(store: Path | None) -> None:
    """Check every file's checksum; exit 1 when one is missing, truncated or altered."""
    from howgreen import store as stores
    from howgreen.pipeline import image_sources

    root = store or image_sources.default_store()
    with bars() as progress:
        faults = stores.verify(root, progress=progress)
    for fault in faults:
        say(f"{fault.path}: {fault.what}; {fault.cure}", err=True)
    if faults:
        raise click.exceptions.Exit(1)
    say(f"{root}: every file is as it was added")
