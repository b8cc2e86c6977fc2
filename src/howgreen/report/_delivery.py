"""Destination of a finished folder: on this disk, or any fsspec storage (``s3://``, ``gs://``, ``memory://``).

A folder for remote storage is completed locally and then sent file by file, ``summary.json`` last: where that exists,
the folder is complete. A marker file exists during sending, so that the same command can resume after an interruption.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from howgreen.core.errors import OutputError
from howgreen.report._folder import FORMATS, SUMMARY, check_out, names_of, new_folder

if TYPE_CHECKING:
    from howgreen.core.types import Progress

SENDING = "howgreen-sending.json"
_SENDING_FORMAT = "howgreen-sending/1"
_MOST_SUMMARY_BYTES = 50 * 2**20
_PACKAGES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "gdrive": "gdrive-fsspec", "az": "adlfs",
             "abfs": "adlfs", "abfss": "adlfs", "sftp": "paramiko", "ssh": "paramiko", "dropbox": "dropboxdrivefs"}  # fmt: skip
# Exceptions that drivers pass on from their libraries; looked up only if a library is loaded.
_DRIVER_ERRORS = (
    ("botocore.exceptions", "BotoCoreError"),
    ("botocore.exceptions", "ClientError"),
    ("google.auth.exceptions", "GoogleAuthError"),
    ("googleapiclient.errors", "Error"),
    ("httplib2.error", "HttpLib2Error"),
    ("pydata_google_auth.exceptions", "PyDataCredentialsError"),
    ("oauthlib.oauth2.rfc6749.errors", "OAuth2Error"),
    ("azure.core.exceptions", "AzureError"),
    ("aiohttp", "ClientError"),
    ("paramiko", "SSHException"),
)


KEY_FILE = "GOOGLE_APPLICATION_CREDENTIALS"
"""The variable by which Google's tools find a service account's key file."""


def is_url(out: str | Path) -> bool:
    """Tell whether it names remote storage: ``scheme://...``; a Path never does.

    Raises
    ------
    OutputError
        It is a misspelt storage: ``gdrive:folder`` would be a local folder of that name.
    """
    misspelt = re.match(rf"({'|'.join(_PACKAGES)}):(?!//)/?(.*)", str(out), re.IGNORECASE)
    if misspelt:
        raise OutputError(f"{out}: is no folder here; write {misspelt[1].lower()}://{misspelt[2] or 'folder'}")
    return isinstance(out, str) and "://" in out


def address_of(out: str | Path, name: str) -> str:
    """Return the displayed address of a file in a folder."""
    return f"{_shown(str(out)).rstrip('/')}/{name}" if is_url(out) else str(Path(out) / name)


def check_target(out: str | Path, *, needs_bytes: int = 0, overwrite: bool = True) -> None:
    """Refuse, before any long work, a destination that is not writable or holds foreign files.

    Parameters
    ----------
    overwrite
        Whether an earlier report may be replaced.

    Raises
    ------
    OutputError
        With the reason; for storage with a missing driver, the line that installs it.
    """
    if is_url(out):
        whole = _Storage(str(out)).check()
    else:
        check_out(Path(out), needs_bytes=needs_bytes)
        whole = (Path(out) / SUMMARY).exists()
    if whole and not overwrite:
        raise OutputError(
            f"{_shown(str(out)) if is_url(out) else out}: holds an earlier answer; add --overwrite to replace it, or name another folder"
        )


@contextmanager
def new_target(
    out: str | Path,
    *,
    needs_bytes: int = 0,
    check: Callable[[], None] | None = None,
    progress: Progress | None = None,
) -> Iterator[Path]:
    """Yield a local folder to fill; on success it replaces ``out``, or is sent there.

    Parameters
    ----------
    out
        A folder, or a URL of fsspec.
    check
        For a local folder: see :func:`howgreen.report._folder.new_folder`.
    progress
        Called with ``("send", files sent, files in all)``.

    Raises
    ------
    OutputError
        As :func:`check_target`; or sending failed: then there is no ``summary.json``.
    """
    if not is_url(out):
        with new_folder(Path(out), needs_bytes=needs_bytes, check=check) as folder:
            yield folder
        return
    storage = _Storage(str(out))
    storage.check()
    with TemporaryDirectory(prefix="howgreen-") as scratch:
        whole = Path(scratch) / "whole"
        with new_folder(whole, needs_bytes=needs_bytes) as folder:
            yield folder
        storage.send(whole, progress)


class _Storage:
    """One folder in storage supported by fsspec."""

    def __init__(self, url: str) -> None:
        import fsspec

        self._label = _shown(url)
        scheme = url.partition("://")[0].rpartition("::")[2].lower()
        url = f"{url.partition('://')[0].lower()}://{url.partition('://')[2]}"
        account = _account(scheme)
        cure = (
            f"check the address and the key file that {KEY_FILE} names"
            if account
            else "check the address and your account"
        )
        try:
            self._files, root = fsspec.core.url_to_fs(url, **account)
        except ImportError as error:
            package = _PACKAGES.get(scheme)
            wanted = f"pip install {package}" if package else " ".join(str(error).split())
            raise OutputError(f"{self._label}: its driver is not installed; {wanted}") from error
        except ValueError as error:
            if "protocol" in str(error).lower():
                raise OutputError(
                    f"{self._label}: no storage is known as {scheme}://; name a folder, or a URL of fsspec such as s3://bucket/folder"
                ) from error
            raise OutputError(f"{self._label}: cannot be reached ({_reason(error)}); {cure}") from error
        except _no_browser() as error:
            raise OutputError(
                f"{self._label}: wants to log in with a browser, and there is none here; log in once on a computer with one, or set "
                f"{KEY_FILE} to the key file of a service account that the folder is shared with"
            ) from error
        except _faults() as error:
            raise OutputError(f"{self._label}: cannot be reached ({_reason(error)}); {cure}") from error
        self._root = str(root).rstrip("/")
        if not self._root.strip("/"):
            raise OutputError(f"{self._label}: is the root of a storage; name a folder in it")

    def check(self) -> bool:
        """Tell whether it holds a complete report; OutputError if it cannot be listed or holds foreign files."""
        there = self._there()
        strangers = there - self._ours(there)
        if strangers:
            raise OutputError(
                f"{self._label}: holds {min(strangers)!r}, which is not part of a report; name another folder or move it away"
            )
        return SUMMARY in there

    def send(self, folder: Path, progress: Progress | None) -> None:
        """Send a folder, its summary last."""
        names = sorted((path.name for path in folder.iterdir()), key=lambda name: (name == SUMMARY, name))
        done = 0
        try:
            self.check()
            old = self._there()
            note = {"format": _SENDING_FORMAT, "files": sorted({*names, *old} - {SENDING})}
            self._files.makedirs(self._root, exist_ok=True)
            self._files.pipe_file(self._at(SENDING), json.dumps(note).encode())
            for name in [SUMMARY, *sorted(old - {*names, SENDING})]:
                if name in old:
                    self._files.rm_file(self._at(name))
            for done, name in enumerate(names):
                self._send(folder / name)
                if progress:
                    progress("send", done + 1, len(names))
            self._files.rm_file(self._at(SENDING))
        except _faults() as error:
            raise OutputError(
                f"{self._label}: sending broke off after {done} of {len(names)} files ({_reason(error)}); it holds no "
                f"{SUMMARY} and is not whole: run the same command again"
            ) from error

    def _send(self, path: Path) -> None:
        self._files.put_file(str(path), self._at(path.name))
        size = self._files.info(self._at(path.name))["size"]
        if size != path.stat().st_size:
            raise OSError(f"{path.name} arrived with {size} of {path.stat().st_size} bytes")

    def _at(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _there(self) -> set[str]:
        """List names in the folder; empty if it does not exist."""
        try:
            self._files.invalidate_cache()
            return {str(entry).rstrip("/").rpartition("/")[2] for entry in self._files.ls(self._root, detail=False)} - {
                ""
            }
        except FileNotFoundError:
            return set()
        except _faults() as error:
            raise OutputError(
                f"{self._label}: cannot be listed ({_reason(error)}); check the address and your account"
            ) from error

    def _ours(self, there: set[str]) -> set[str]:
        """List names that an earlier report, or one partly sent, lists as its own."""
        own: set[str] = set()
        for name, formats in ((SUMMARY, FORMATS), (SENDING, (_SENDING_FORMAT,))):
            if name in there:
                own |= names_of(self._text(name), formats=formats, itself=name)
        return own

    def _text(self, name: str) -> str:
        try:
            return bytes(self._files.cat_file(self._at(name), end=_MOST_SUMMARY_BYTES)).decode("utf-8")
        except _faults():  # a ValueError too: bytes that are not text
            return ""


def _account(scheme: str) -> dict[str, str]:
    """Give a driver the service account that Google's tools would use, if it does not look for it itself."""
    key = os.environ.get(KEY_FILE)
    return {"token": "service_account", "creds": key} if scheme == "gdrive" and key else {}


def _no_browser() -> tuple[type[Exception], ...]:
    import webbrowser

    return (webbrowser.Error, EOFError)


def _faults() -> tuple[type[Exception], ...]:
    """List the exceptions that drivers raise if a storage refuses or fails: mostly OSError, but not all."""
    found: list[type[Exception]] = [
        OSError, ValueError, RuntimeError, NotImplementedError, AttributeError, LookupError, TypeError, *_no_browser()
    ]  # fmt: skip
    for module, name in _DRIVER_ERRORS:
        if module in sys.modules:
            found.append(getattr(sys.modules[module], name))
    return tuple(found)


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__


def _shown(url: str) -> str:
    """Return a URL in displayable form: without user, password and query."""
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("?")[0].partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"
