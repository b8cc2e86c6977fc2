"""From many dates to one cloud-free composite."""
