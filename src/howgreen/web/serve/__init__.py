"""``howgreen serve``: a page and an API for whoever reaches it, over a database that outlives every process.

Importing this package loads nothing of the extra ``[web]``.
"""
