"""Pages that howgreen serves on this computer."""
