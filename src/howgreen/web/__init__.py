"""Pages that howgreen serves: one on this computer, on which people look at a sample, and a server for whoever reaches it."""
