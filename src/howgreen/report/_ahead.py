"""Preloading of slow report modules while pixels are read, when the interpreter is idle anyway."""

from __future__ import annotations

from threading import Thread

from howgreen.report._language import language as language_of


def load_ahead(language: str = "en") -> None:
    """Start loading, in a background thread, what :func:`howgreen.report.write` will need; nothing waits for it.

    Parameters
    ----------
    language
        Language of the report.
    """
    Thread(target=_load, args=(language,), name="load ahead").start()


def _load(language: str) -> None:
    import dask.array  # first what the pixels need themselves: two concurrent imports only take turns

    # These are imported where they are used, since most programs never need them.
    import PIL.JpegImagePlugin
    import pyogrio
    import xlsxwriter

    from howgreen.report import _page, _poster, _share, _templates

    del dask, PIL, pyogrio, xlsxwriter, _poster, _share, _page
    _templates.compile_ahead("template.html", language_of(language))
