"""Training of the cloud detectors for images without a mask: simulated skies over simulated ground, and a small network."""
