"""What whoever runs the server decides; nobody who visits it can change any of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where things lie, what may be read, and what a visitor may ask for at most."""

    data: Path
    """Folder of the database, the results and all scratch; nothing is written elsewhere."""
    database: str = ""
    """SQLAlchemy URL; empty for SQLite in ``data``."""
    stores: tuple[Path, ...] = ()
    """Stores of images that may be read; places are known by name from them too."""
    osm: Path | None = None
    """OpenStreetMap extract for names and districts."""
    catalogs: tuple[str, ...] = ()
    """Names or URLs of catalogues; none with ``offline``, else those that need no account."""
    offline: bool = False
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    """Processes that work on a job each; 0 where those of other servers on the same database do."""
    queue: int = 20
    """Jobs that may wait."""
    jobs_per_day: int = 50
    """Of one client."""
    most_area_km2: float = 3000
    most_vertices: int = 20_000
    most_upload_bytes: int = 10_000_000
    most_disk_bytes: int = 20_000_000_000
    """Of all results together; the oldest that no job under way names go first."""
    most_memory_bytes: int = 16_000_000_000
    """Address space of a job's process."""
    job_seconds: float = 3600
    keep: timedelta = timedelta(days=30)
    """Results that nobody has asked for so long go, and jobs that ended so long ago."""
    hosts: tuple[str, ...] = ()
    """Names under which the server answers, beside those of the loopback."""
    tokens: Path | None = None
    """File of hashed tokens; None: open to whoever reaches it."""
    proxies: int = 0
    """Hops of X-Forwarded-For that are believed."""
    dask: str | None = None
    """Address of a Dask scheduler whose workers do the reading."""
    metrics: bool = True

    @property
    def url(self) -> str:
        """The database's URL."""
        return self.database or f"sqlite:///{self.data.absolute() / 'howgreen.sqlite3'}"

    @property
    def results(self) -> Path:
        """Folder of the finished reports, one a plan."""
        return self.data / "results"

    @property
    def samples(self) -> Path:
        """Folder of the samples that people look at, one a result, with their answers."""
        return self.data / "samples"

    @property
    def scratch(self) -> Path:
        """Folder of what is not finished; whoever finds it without an owner may remove it."""
        return self.data / "scratch"

    @property
    def cache(self) -> Path:
        """Folder of what can be made or fetched again: kept blocks, responses of services."""
        return self.data / "cache"

    @property
    def blocks(self) -> Path:
        """Folder of the finished blocks of jobs that were stopped: where a job's process keeps them by itself."""
        return self.cache / "howgreen" / "runs"
