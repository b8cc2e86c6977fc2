"""Everything that goes over the network: one way to ask, to wait, to fetch and to remember."""
