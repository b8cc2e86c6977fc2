"""Pixels of image files on the city's grid, here or on the web."""
