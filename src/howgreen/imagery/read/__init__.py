"""Pixels of local or remote image files, on the city's grid."""
