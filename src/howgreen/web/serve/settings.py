"""Settings of the server's operator; visitors can change none of them."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Folders, readable data, and limits for visitors."""

    data: Path
    """Folder of the database, the results and all scratch files; nothing is written elsewhere."""
    database: str = ""
    """SQLAlchemy URL; empty for SQLite in ``data``."""
    stores: tuple[Path, ...] = ()
    """Readable image stores; they also supply places by name."""
    osm: Path | None = None
    """OpenStreetMap extract for names and districts."""
    catalogs: tuple[str, ...] = ()
    """Names or URLs of catalogues; empty: none with ``offline``, else those that need no account."""
    offline: bool = False
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    """Worker processes, each with one job at a time; 0 if other servers on the same database have them."""
    queue: int = 20
    """Most waiting jobs."""
    jobs_per_day: int = 50
    """Per client."""
    most_area_km2: float = 3000
    most_vertices: int = 20_000
    most_upload_bytes: int = 10_000_000
    most_disk_bytes: int = 20_000_000_000
    """Limit on all results together; the oldest without a pending job are removed first."""
    most_memory_bytes: int = 16_000_000_000
    """Address space limit of a job's process."""
    job_seconds: float = 3600
    keep: timedelta = timedelta(days=30)
    """Retention of results since their last use, and of jobs since their end."""
    hosts: tuple[str, ...] = ()
    """Host names of the server, in addition to those of the loopback."""
    tokens: Path | None = None
    """File of hashed tokens; None for open access."""
    proxies: int = 0
    """Number of trusted hops in X-Forwarded-For."""
    dask: str | None = None
    """Address of a Dask scheduler whose workers read the images."""
    metrics: bool = True

    @property
    def url(self) -> str:
        """The database's URL."""
        return self.database or f"sqlite:///{self.data.absolute() / 'howgreen.sqlite3'}"

    @property
    def results(self) -> Path:
        """Folder of the finished reports, one per plan."""
        return self.data / "results"

    @property
    def samples(self) -> Path:
        """Folder of the samples to interpret, one per result, with their answers."""
        return self.data / "samples"

    @property
    def scratch(self) -> Path:
        """Folder of unfinished data; anything there without an owner may be removed."""
        return self.data / "scratch"

    @property
    def cache(self) -> Path:
        """Folder of reproducible data: kept blocks, cached responses of services."""
        return self.data / "cache"

    @property
    def blocks(self) -> Path:
        """Folder of the finished blocks of stopped jobs, where a job's process keeps them by default."""
        return self.cache / "howgreen" / "runs"


def is_loopback(host: str) -> bool:
    """Tell whether an address to listen on is local to this computer."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
