"""A model of the user's own city, from the user's own labels: ``howgreen train``."""
