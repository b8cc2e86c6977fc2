"""Scene search, coverage of a city, and selection."""
