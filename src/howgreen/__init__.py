"""How green is my city? One name in, one trustworthy number out, with the map that proves it."""
