"""From labels and simulations to models: needs the extra ``[train]``; nothing else imports it.

``python -m howgreen.training --data ../shared/data`` rebuilds every shipped model.
"""
