"""``serve``: a page and an API for many users."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from howgreen.cli.options import FILE, FOLDER, catalog_option, offline_option
from howgreen.cli.root import examples, howgreen
from howgreen.cli.say import say

if TYPE_CHECKING:
    from howgreen.web.serve.settings import Settings

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_UNITS = {"h": 1 / 24, "d": 1.0, "w": 7.0}


def _days(_: click.Context, __: click.Parameter, text: str) -> timedelta:
    found = re.fullmatch(r"(\d{1,5})([hdw])", text.strip())
    if not found or int(found[1]) == 0:
        raise click.BadParameter(f"{text!r}: write a number with h, d or w, as 30d")
    return timedelta(days=int(found[1]) * _UNITS[found[2]])


def _action(_: click.Context, __: click.Parameter, text: str) -> str:
    if text not in ("", "token"):
        raise click.BadParameter(f"{text!r}: write `howgreen serve`, or `howgreen serve token --tokens FILE`")
    return text


@howgreen.command(
    "serve",
    epilog=examples("howgreen serve --demo", "howgreen serve --store shelf --host 0.0.0.0 --tokens tokens.txt"),
)
@click.argument("action", default="", callback=_action, metavar="[token]")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at; 0.0.0.0 for everybody.")
@click.option("--port", type=click.IntRange(0, 65_535), default=8000, show_default=True, help="0 for any that is free.")
@click.option(
    "--store",
    "stores",
    type=FOLDER,
    multiple=True,
    envvar="HOWGREEN_STORE",
    help="Folder with a store of images; may be repeated (default: your own).",
)
@click.option("--osm", type=FILE, help="OpenStreetMap extract (.osm.pbf) for names and districts.")
@catalog_option
@offline_option
@click.option("--data", type=FOLDER, help="Folder of database and results (default: one of your own).")
@click.option(
    "--database", default="", help="SQLAlchemy URL, as postgresql://USER@HOST/NAME (default: SQLite in --data)."
)
@click.option(
    "--workers",
    type=click.IntRange(0, 64),
    default=1,
    show_default=True,
    help="Jobs at once; 0 where another server's workers do them.",
)
@click.option("--queue", type=click.IntRange(1, 10_000), default=20, show_default=True, help="Jobs that may wait.")
@click.option(
    "--jobs-per-day",
    type=click.IntRange(1),
    default=50,
    show_default=True,
    help="New questions of one visitor in 24 hours.",
)
@click.option(
    "--keep",
    callback=_days,
    default="30d",
    show_default=True,
    help="How long a result is kept after its last use: 12h, 30d, 8w.",
)
@click.option(
    "--max-area", type=click.FloatRange(0.01, 100_000), default=3000.0, show_default=True, help="Largest place, km²."
)
@click.option(
    "--max-disk", type=click.FloatRange(0.1), default=20.0, show_default=True, help="Results kept at most, GB."
)
@click.option(
    "--tokens", type=click.Path(path_type=Path), help="File of hashed tokens; only people who have one may ask."
)
@click.option("--name", default="", help="With `token`: whose it is, for the file.")
@click.option(
    "--proxies",
    type=click.IntRange(0, 5),
    default=0,
    show_default=True,
    help="Proxies in front, whose X-Forwarded-For is believed.",
)
@click.option(
    "--allowed-host",
    "hosts",
    multiple=True,
    help="Name under which visitors reach it; may be repeated (default: none).",
)
@click.option("--dask", help="Address of a Dask scheduler (tcp://…) whose workers do the reading (extra [cluster]).")
@click.option("--demo", is_flag=True, help="Sampleton only, without a network.")
def serve_command(
    action: str,
    host: str,
    port: int,
    stores: tuple[Path, ...],
    osm: Path | None,
    catalogs: tuple[str, ...],
    offline: bool,
    data: Path | None,
    database: str,
    workers: int,
    queue: int,
    jobs_per_day: int,
    keep: timedelta,
    max_area: float,
    max_disk: float,
    tokens: Path | None,
    name: str,
    proxies: int,
    hosts: tuple[str, ...],
    dask: str | None,
    demo: bool,
) -> None:
    """Open a page and an API to visitors (extra [web]).

    `howgreen serve token --tokens FILE` makes a token, prints it once, and keeps only its hash.
    """
    from howgreen.core.errors import MissingExtraError

    if action == "token":
        _make_token(tokens, name)
        return
    try:
        from howgreen.web.serve.app import create_app
        from howgreen.web.serve.log import log_as_json
        from howgreen.web.serve.server import serve
        from howgreen.web.serve.settings import Settings
    except ImportError as error:
        raise MissingExtraError("howgreen serve", "web") from error
    folder = data or _own_folder()
    shelves = _demo_store() if demo else (stores or _own_store())
    settings = Settings(
        data=folder.absolute(), database=database, stores=tuple(path.absolute() for path in shelves), osm=osm and osm.absolute(), catalogs=catalogs,
        offline=offline or demo, host=host, port=port, workers=workers, queue=queue, jobs_per_day=jobs_per_day, keep=keep,
        most_area_km2=max_area, most_disk_bytes=int(max_disk * 1e9), tokens=tokens and tokens.absolute(), proxies=proxies, hosts=hosts, dask=dask,
    )  # fmt: skip
    _check(settings)
    log_as_json()
    serve(settings, create_app, listening=lambda url: _tell(settings, url))


def _tell(settings: Settings, url: str) -> None:
    say(f"howgreen serve: {url}")
    images = [*(f"store {path}" for path in settings.stores), *([] if settings.offline else ["open catalogues"])]
    say(
        f"data: {settings.data}; images: {', '.join(images) or 'none'}; workers: {settings.workers}; Ctrl-C stops it",
        err=True,
    )
    if settings.host in _LOOPBACK:
        return
    who = "whoever has a token" if settings.tokens else "everybody"
    say(
        f"warning: {url} is open to {who} who can reach this computer, unencrypted; put a proxy with TLS in front"
        + ("" if settings.tokens else ", and let it or --tokens say who may ask"),
        err=True,
    )


def _check(settings: Settings) -> None:
    """Refuse settings that would fail only at the first visitor."""
    from howgreen.core.errors import StoreError
    from howgreen.net.network import Network
    from howgreen.pipeline.image_sources import catalogs_to_ask
    from howgreen.web.serve.tokens import Tokens

    for store in settings.stores:
        if not (store / "catalog.json").is_file():
            raise StoreError(
                f"--store {store}: is no store of images; make one with `howgreen store add FILE --store {store}`"
            )
    catalogs_to_ask(settings.catalogs, network=Network(offline=settings.offline))
    if settings.tokens is not None:
        Tokens(settings.tokens)
    if settings.dask is not None:
        from howgreen.pipeline.cluster import cluster

        with cluster(settings.dask):
            pass
    settings.data.mkdir(parents=True, exist_ok=True)


def _make_token(tokens: Path | None, name: str) -> None:
    from howgreen.core.text import one_line
    from howgreen.web.serve.tokens import add_token

    if tokens is None:
        raise click.UsageError("say which file keeps the hashes: howgreen serve token --tokens FILE")
    say(add_token(tokens, name=one_line(name)[:100]))
    say(f"its hash is in {tokens}; the token itself is kept nowhere", err=True)


def _own_folder() -> Path:
    import platformdirs

    return platformdirs.user_data_path("howgreen") / "serve"


def _own_store() -> tuple[Path, ...]:
    from howgreen.pipeline.image_sources import default_store

    return (default_store(),) if (default_store() / "catalog.json").is_file() else ()


def _demo_store() -> tuple[Path, ...]:
    from howgreen import sample
    from howgreen.cli.progress import bars
    from howgreen.pipeline.image_sources import cache_folder

    with bars() as progress:
        return (sample.ensure(cache_folder(), progress=progress),)
