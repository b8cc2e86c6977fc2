"""``howgreen serve``: a page and an API for many users, with a database that outlives every process.

Importing this package imports nothing from the extra ``[web]``.
"""
