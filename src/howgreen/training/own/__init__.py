"""A model of one's own city, from one's own labels: ``howgreen train``."""
