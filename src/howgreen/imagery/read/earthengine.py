"""Google Earth Engine pixels, read with the user's own account (extra ``[ee]``).

Images are read window by window in their native pixels (``getPixels``), so that all later steps are the same as for
other images.

The account is the one set up by ``earthengine authenticate`` or, on a machine without a browser, the service account
whose key file ``GOOGLE_APPLICATION_CREDENTIALS`` names. Its project, or ``EARTHENGINE_PROJECT``, pays the quota. Its
token goes to Google's own address and to no other.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.windows import Window

from howgreen.core.errors import MissingExtraError, NetworkError

URL = "https://earthengine.googleapis.com"
SIGNER = "earth-engine"
"""Signer of Earth Engine assets."""
MOST_BYTES = 40_000_000
"""Largest response requested; Earth Engine allows 48 MiB."""
DEADLINE_MS, RETRIES = 60_000, 3

KEY_FILE = "GOOGLE_APPLICATION_CREDENTIALS"
"""The variable by which Google's tools find a service account's key file."""
_LOG_IN = (
    "run `earthengine authenticate` once; without a browser (a server, a container) run `earthengine authenticate --auth_mode=notebook`, "
    f"or set {KEY_FILE} to the key file of a service account that may use Earth Engine"
)

_connected: list[str] = []
_lock = Lock()


def connect(url: str = URL) -> Any:
    """Return the client library, signed in; once per process.

    Raises
    ------
    MissingExtraError
        It is not installed.
    NetworkError
        No account, no project, no response, or an address that is neither Google's nor on this machine.
    """
    try:
        import ee
    except ImportError as error:
        raise MissingExtraError("Earth Engine", "ee") from error
    with _lock, translate_errors(url):
        if _connected != [url]:
            credentials = _credentials(url)
            project = os.environ.get("EARTHENGINE_PROJECT") or getattr(credentials, "project_id", None)
            ee.Initialize(credentials, url=url, project=project)
            ee.data.setDeadline(DEADLINE_MS)
            ee.data.setMaxRetries(RETRIES)
            _connected[:] = [url]
    return ee


def _credentials(url: str) -> Any:
    """Credentials of the user, or of a service account, for Google; none for a server on this machine."""
    from google.auth.credentials import AnonymousCredentials

    if url.rstrip("/") == URL:
        key = os.environ.get(KEY_FILE)
        return _service_account(key) if key else "persistent"
    if urlsplit(url).hostname in {"127.0.0.1", "localhost", "::1"}:
        return AnonymousCredentials()  # type: ignore[no-untyped-call]
    raise NetworkError(f"{url}: not Earth Engine's address ({URL}); an account's token is sent to no other")


def _service_account(path: str) -> Any:
    """Read a service account's key file.

    Raises
    ------
    NetworkError
        The file is not one.
    """
    import ee
    from google.oauth2 import service_account

    try:
        return service_account.Credentials.from_service_account_file(path, scopes=ee.oauth.SCOPES)  # type: ignore[no-untyped-call]
    except (OSError, ValueError, KeyError) as error:
        raise NetworkError(
            f"{KEY_FILE}={path}: is no key file of a service account ({' '.join(str(error).split())[:120]}); make one at "
            "https://console.cloud.google.com/iam-admin/serviceaccounts, or unset it to use the account of `earthengine authenticate`"
        ) from error


@contextmanager
def translate_errors(url: str) -> Iterator[None]:
    """Translate the library's exceptions to a one-line NetworkError with the cure."""
    import ee
    import google.auth.exceptions
    import requests

    cure = "check the connection and try again"
    try:
        yield
    except ee.EEException as error:
        text = " ".join(str(error).split())
        low = text.lower()
        if "authorize" in low or "authenticate" in low or "credential" in low:
            cure = _LOG_IN
        elif "project" in low:
            cure = "set EARTHENGINE_PROJECT to a Google Cloud project that may use Earth Engine"
        elif "too many" in low or "quota" in low:
            cure = "wait a little, and run the same again: it goes on from what it has"
        raise NetworkError(f"Earth Engine ({url}): {text[:200]}; {cure}") from error
    except google.auth.exceptions.GoogleAuthError as error:
        raise NetworkError(f"Earth Engine ({url}): the account is refused ({error}); {_LOG_IN}") from error
    except (requests.RequestException, OSError, ValueError, KeyError) as error:
        raise NetworkError(f"Earth Engine ({url}): no proper answer ({error!r:.120}); {cure}") from error


class Pixels:
    """One band of one Earth Engine image, with the parts of a rasterio dataset that reading needs: grid and windows.

    Made by :func:`open_pixels`.
    """

    driver = "EarthEngine"
    count = 1
    nodata = None

    def __init__(self, url: str, name: str, band: str, grid: Mapping[str, Any]) -> None:
        t = grid["affineTransform"]
        self.name, self._url, self._band = f"{url}/v1/{name}", url, band
        self._asset = name
        self.transform = Affine(
            t["scaleX"], t.get("shearX", 0), t["translateX"], t.get("shearY", 0), t["scaleY"], t["translateY"]
        )
        self._crs_code = grid["crsCode"]
        self.crs = CRS.from_user_input(self._crs_code)
        self.width, self.height = int(grid["dimensions"]["width"]), int(grid["dimensions"]["height"])
        self.shape = self.height, self.width
        self.dtypes = ("uint16",)

    def read(self, index: int = 1, *, window: Window | None = None, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Fetch the DN of a window (all of it without one), in requests of at most MOST_BYTES.

        Raises
        ------
        NetworkError
            Earth Engine does not return them.
        """
        if index != 1:
            raise ValueError(f"band {index} of a single one")
        window = window or Window(0, 0, self.width, self.height)
        top, left, height, width = (int(n) for n in (window.row_off, window.col_off, window.height, window.width))
        result = np.empty((height, width), np.uint16) if out is None else out
        step = max(1, MOST_BYTES // (2 * width))
        for row in range(0, height, step):
            rows = min(step, height - row)
            here = self.transform @ Affine.translation(left, top + row)
            result[row : row + rows] = self._fetched(here, rows, width)
        return result

    def coarse(self, step: int) -> tuple[NDArray[Any], Affine]:
        """Return all of it, each ``step`` x ``step`` pixels as one (from Earth Engine's pyramid), and its transform."""
        height, width = -(-self.height // step), -(-self.width // step)
        transform = self.transform @ Affine.scale(step)
        return self._fetched(transform, height, width), transform

    def _fetched(self, transform: Affine, height: int, width: int) -> NDArray[Any]:
        ee = connect(self._url)
        t = transform
        affine = {
            "scaleX": t.a, "shearX": t.b, "translateX": t.c, "shearY": t.d, "scaleY": t.e, "translateY": t.f,
        }  # fmt: skip
        with translate_errors(self._url):
            got = ee.data.getPixels(
                {
                    "assetId": self._asset,
                    "bandIds": [self._band],
                    "fileFormat": "NUMPY_NDARRAY",
                    "grid": {
                        "dimensions": {"width": width, "height": height},
                        "affineTransform": affine,
                        "crsCode": self._crs_code,
                    },
                }
            )
            values: NDArray[Any] = got[self._band]
            if values.shape != (height, width):
                raise NetworkError(f"{self.name}: gives {values.shape} pixels, not {(height, width)}; try again")
        return values

    def overviews(self, _: int) -> list[int]:
        """Empty: rasterio could open none; see :meth:`coarse`."""
        return []

    def close(self) -> None:
        """Do nothing: no connection stays open between requests."""

    def __enter__(self) -> Pixels:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(frozen=True, kw_only=True)
class Address:
    """Address of a band, as :func:`howgreen.imagery.catalog._earthengine.scenes` writes it into an href."""

    url: str
    name: str
    """``projects/.../assets/...``."""
    band: str

    @property
    def image(self) -> str:
        """The image's id in Earth Engine's own code."""
        return self.name.removeprefix("projects/earthengine-public/assets/")


def is_pixels(href: str) -> bool:
    """Tell whether an href is one of Earth Engine's."""
    return href.partition("#")[0].endswith(":getPixels")


def address(href: str) -> Address:
    """Split an href of Earth Engine into its parts."""
    place, _, band = href.partition("#")
    url, _, name = place.removesuffix(":getPixels").partition("/v1/")
    return Address(url=url, name=name, band=band)


def open_pixels(href: str) -> Pixels:
    """Open the band that an href of Earth Engine names.

    Raises
    ------
    MissingExtraError, NetworkError
        As :func:`connect`; or there is no such image.
    """
    at = address(href)
    return Pixels(at.url, at.name, at.band, _grid(at.url, at.name, at.band))


@lru_cache(maxsize=4096)
def _grid(url: str, name: str, band: str) -> Mapping[str, Any]:
    ee = connect(url)
    with translate_errors(url):
        asset = ee.data.getAsset(name)
        grids: list[Mapping[str, Any]] = [entry["grid"] for entry in asset["bands"] if entry["id"] == band]
    if not grids:
        raise NetworkError(f"{url}/v1/{name}: has no band {band}; make a new plan")
    return grids[0]
