"""The contest of algorithms: same samples, same budget, whole cities left out. ``howgreen benchmark`` runs it."""
