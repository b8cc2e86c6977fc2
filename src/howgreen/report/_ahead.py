"""What the writing of a report takes a tenth of a second to load is loaded while pixels are read, which leaves the interpreter idle."""

from __future__ import annotations

from threading import Thread

from howgreen.report._language import language as language_of


def load_ahead(language: str = "en") -> None:
    """Begin to load, beside other work, what :func:`howgreen.report.write` will need; nothing waits for it.

    Parameters
    ----------
    language
        Of the report to be written.
    """
    Thread(target=_load, args=(language,), name="load ahead").start()


def _load(language: str) -> None:
    import dask.array  # first what the pixels need themselves: two that load at once only take turns

    # Modules that are loaded where they are used, for most programs never use them.
    import PIL.JpegImagePlugin
    import pyogrio
    import xlsxwriter

    from howgreen.report import _page, _poster, _share, _templates

    del dask, PIL, pyogrio, xlsxwriter, _poster, _share, _page
    _templates.compile_ahead("template.html", language_of(language))
