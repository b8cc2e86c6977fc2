"""Training of the cloud detectors for images without a mask: simulated skies and ground, and a small network."""
