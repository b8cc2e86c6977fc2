"""What finds clouds in images without a mask: simulated skies over simulated ground, and a small network that met them."""
