"""Speed and memory, measured as ratios in one run; asked for by name: ``make bench``."""
