"""Which scenes there are, what they show of a city, and which of them to take."""
