"""
Start in the middle
===================

Every stage is a plain function between two values. You can bring your own boundary, images, model or labels, and use the
stages that are left. This walks through Sampleton (synthetic) by hand, stage by stage.
"""

# %%
# Place: a quarter of 600 m radius instead of the whole city.

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import platformdirs

from howgreen import Period, imagery, landcover, measure, place, sample

root = sample.ensure(Path(platformdirs.user_cache_dir("howgreen")))

whole = place.find("Sampleton", stores=[root])
centre = whole.districts[0].boundary.representative_point()
quarter = place.find(f"{centre.y:.5f}, {centre.x:.5f}", radius_m=600)
print(f"{quarter.label}: {quarter.area_m2 / 1e6:.2f} km²")

# %%
# Imagery: list the images there are, and how much of the city each of them shows clearly.

period = Period.parse("2024-05/2024-09")
for scene in imagery.find(whole, period, root=root, sensor="sentinel-2"):
    print(f"{scene.time:%Y-%m-%d} clear {scene.clear_pct:5.1f} % of the city, offset {scene.offset:+.1f}")

# %%
# Choose among them for the quarter, and make one clear composite with the bands that the model takes.

model = landcover.load_model("mixture-10")
scenes, not_used = imagery.choose(
    imagery.find(quarter, period, root=root, sensor="sentinel-2"), city=quarter, period=period, bands=model.card.bands
)
composite = imagery.composite(scenes, grid=imagery.grid(quarter), bands=model.card.bands)
print(composite.data)

# %%
# Land cover with two models on the same pixels, then the measurement.

figure, panels = plt.subplots(1, 3, figsize=(10, 3.6), layout="constrained")
photo = composite.data["reflectance"].sel(band=["red", "green", "blue"]).transpose("y", "x", "band")
panels[0].imshow(np.clip(photo / 0.25, 0, 1))
panels[0].set_title("composite")
for panel, name in zip(panels[1:], ("mixture-10", "ndvi"), strict=True):
    covered = landcover.classify(composite, landcover.load_model(name))
    city, *_ = measure.green(covered, quarter)
    print(f"{name:12s} green ratio {city.stats.green_ratio:.3f}")
    panel.imshow(covered.data["green_fraction"], cmap="YlGn", vmin=0, vmax=1)
    panel.set_title(f"green fraction, {name}")
for panel in panels:
    panel.set_axis_off()
