"""``store``: images on disk."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import click

from howgreen.cli.asked import AskedPlan
from howgreen.cli.options import DAY, FILE, FOLDER, json_option, place_options, plan_options, refuse_beside_plan
from howgreen.cli.progress import bars
from howgreen.cli.root import examples, howgreen
from howgreen.cli.say import say, say_json
from howgreen.cli.warnings import refuse_if_strict


@howgreen.group("store")
def store_group() -> None:
    """Keep images on this computer.

    A store is a plain STAC catalogue of cloud-optimised GeoTIFFs in a folder.
    """


@store_group.command(
    "add",
    epilog=examples(
        "howgreen store add image.tif --store shelf --city Bolzano --area limits.geojson --date 2023-07-01"
    ),
)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--store", type=FOLDER, envvar="HOWGREEN_STORE", help="Folder of the store (default: your own).")
@click.option("--city", required=True, help="The city that the images show.")
@click.option("--area", help="Its boundary: a vector file, or WKT or GeoJSON text (default: the image's footprint).")
@click.option("--bands", help="Names of the bands in the order of the file: red,green,blue,nir,scl.")
@click.option("--scale", type=float, help="Reflectance = digital number x scale + offset.")
@click.option("--offset", type=float, help="See --scale.")
@click.option("--nodata", type=float, help="Digital number that means no data.")
@click.option("--date", "day", type=DAY, help="Day of the image, if its files do not say.")
@click.option("--sensor", help="sentinel-2, landsat or sentinel-1, if the files do not say.")
@click.option("--unit", help="Unit of radar bands, if the pixels do not tell: dB, or power (linear).")
@click.option(
    "--mask",
    type=FILE,
    metavar="FILE|omnicloudmask",
    help="The image's cloud mask: a file of its own, or omnicloudmask to have it made by that package, where you have it and its weights "
    "(default: what its files bring).",
)
@click.option("--mask-clear", help="Numbers of --mask that are clear, as 0 or 0,1, if its name does not tell its kind.")
@click.option("--replace", is_flag=True, help="Replace an image that the store already has.")
@json_option
def store_add(
    files: tuple[Path, ...],
    store: Path | None,
    city: str,
    area: str | None,
    bands: str | None,
    scale: float | None,
    offset: float | None,
    nodata: float | None,
    day: date | None,
    sensor: str | None,
    unit: str | None,
    mask: Path | None,
    mask_clear: str | None,
    replace: bool,
    as_json: bool,
) -> None:
    """Add images to a store.

    FILES are GeoTIFFs with one or several bands, Sentinel-2 L2A .SAFE folders, or Landsat Collection 2 Level-2 folders.
    """
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
            options=stores.Options(
                bands=None if bands is None else bands.split(","),
                scale=scale,
                offset=offset,
                nodata=nodata,
                date=day,
                sensor=sensor,
                unit=unit,
                mask=mask,
                mask_clear=None if mask_clear is None else _numbers(mask_clear),
            ),
            replace=replace,
            progress=progress,
        )
    if as_json:
        say_json({"store": str(root), "added": [str(item) for item in added]})
        return
    for item in added:
        say(f"{root}: {item}")


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise click.BadParameter(f"{text!r}: write numbers, as 0 or 0,1", param_hint="--mask-clear") from error


@store_group.command(
    "sync",
    epilog=examples(
        'howgreen store sync "Lyon, France" --period 2024 --store shelf',
        'howgreen city "Lyon, France" --period 2024 --store shelf --offline',
    ),
)
@place_options
@plan_options
@click.option("--plan", "plan_file", type=FILE, help="Keep what this saved plan needs instead of making a new one.")
@click.option("--all", "everything", is_flag=True, help="Also keep the images that were found and not used.")
@json_option
def store_sync(
    plan_file: Path | None,
    everything: bool,
    as_json: bool,
    store: Path | None,
    catalogs: tuple[str, ...],
    **asked: Any,
) -> None:
    """Keep what a place needs from the open catalogues.

    Then `city NAME --store DIR --offline` answers without a network. NAME is as for `city`. If it is stopped, the same
    command continues.
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
    if as_json:
        counts = {"fetched": list(kept.fetched), "present": list(kept.present), "empty": list(kept.empty)}
        say_json({"store": str(root), "city": planned.city.label, "notes": list(planned.notes), **counts})
        return
    for note in planned.notes:
        say(f"note: {note}")
    say(
        f"{root}: {planned.city.label}, {len(kept.fetched)} scenes fetched, {len(kept.present)} there already"
        + (f", {len(kept.empty)} show nothing of it" if kept.empty else "")
    )


@store_group.command("list", epilog=examples("howgreen store list --store shelf"))
@click.option("--store", type=FOLDER, envvar="HOWGREEN_STORE", help="Folder of the store (default: your own).")
@json_option
def store_list(store: Path | None, as_json: bool) -> None:
    """List the images in a store."""
    from howgreen import store as stores
    from howgreen.pipeline import image_sources

    rows = stores.listing(store or image_sources.default_store())
    if as_json:
        say_json([{**asdict(row), "time": row.time.isoformat()} for row in rows])
        return
    for row in rows:
        size = "" if row.size_bytes is None else f"  {row.size_bytes / 2**20:.1f} MiB"
        say(f"{row.time:%Y-%m-%d}  {row.sensor}  {', '.join(row.places) or '-'}  {row.id}{size}")
        say(f"            {', '.join(row.bands)}{'  (synthetic)' if row.synthetic else ''}")


@store_group.command("verify", epilog=examples("howgreen store verify --store shelf"))
@click.option("--store", type=FOLDER, envvar="HOWGREEN_STORE", help="Folder of the store (default: your own).")
@json_option
def store_verify(store: Path | None, as_json: bool) -> None:
    """Check every file against its checksum.

    Exits with 1 when a file is missing, truncated or altered.
    """
    from howgreen import store as stores
    from howgreen.pipeline import image_sources

    root = store or image_sources.default_store()
    with bars() as progress:
        faults = stores.verify(root, progress=progress)
    if as_json:
        say_json({"store": str(root), "faults": [{**asdict(fault), "path": str(fault.path)} for fault in faults]})
        raise click.exceptions.Exit(1 if faults else 0)
    for fault in faults:
        say(f"{fault.path}: {fault.what}; {fault.cure}", err=True)
    if faults:
        raise click.exceptions.Exit(1)
    say(f"{root}: every file is as it was added")
