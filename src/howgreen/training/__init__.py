"""Labels and simulations in, models out: needs the extra ``[train]``; nothing else imports it.

``python -m howgreen.training --data ../shared/data`` rebuilds every shipped model.
"""
