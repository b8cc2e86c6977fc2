"""
Your own images
===============

Any GeoTIFF of surface reflectance can be used: put it into a store, name the city, ask. The image here is a small one
that we make ourselves. Its left half is meadow and its right half is stone, so the answer must be one half.
"""

# %%
# Digital numbers are reflectance × 10,000, as Sentinel-2 delivers them; 0 means no data.

import datetime
import tempfile
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import rasterio
from affine import Affine

import howgreen
from howgreen import store

folder = Path(tempfile.mkdtemp())
image, shelf = folder / "halfgreen.tif", folder / "store"

meadow = {"blue": 300, "green": 700, "red": 350, "nir": 4500}
stone = {"blue": 800, "green": 900, "red": 1000, "nir": 1200}
with rasterio.open(
    image,
    "w",
    driver="GTiff",
    width=200,
    height=200,
    count=4,
    dtype="uint16",
    nodata=0,
    crs="EPSG:32631",
    transform=Affine(10, 0, 640_000, 0, -10, 5_070_000),
) as file:
    for number, band in enumerate(meadow, 1):
        values = np.full((200, 200), meadow[band], "uint16")
        values[:, 100:] = stone[band]
        file.write(values, number)

# %%
# Add the image to a store, which is a plain STAC catalogue of cloud-optimised GeoTIFFs in a folder. ``boundary`` takes
# the city's limits; without it, the limits are the image's own footprint, and the report says so.

store.add(
    [image],
    root=shelf,
    city="Halfgreen",
    boundary=None,
    options=store.Options(bands=["blue", "green", "red", "nir"], scale=0.0001, date=datetime.date(2024, 7, 1)),
)
for kept in store.listing(shelf):
    print(f"{kept.id}: {kept.sensor}, {kept.time:%Y-%m-%d}, {', '.join(kept.bands)}")

# %%
# A plan shows what would happen before any reflectance is read. It can be kept as JSON, and the same plan always gives
# the same answer.
#
# howgreen warns of every doubt that could move the ratio, and a single image without a boundary and without a cloud mask
# gives rise to several. Python would show them as warnings; here they are printed.

warnings.simplefilter("ignore", howgreen.HowgreenWarning)
plan = howgreen.plan("Halfgreen", store=shelf)
print(f"{len(plan.scenes)} image of {plan.scenes[0].time:%Y-%m-%d}, model {plan.model}")
for doubt in plan.warnings:
    print(f"- {doubt.text} [{doubt.code}]")

# %%
# The answer is one half, and it carries the same doubts.

result = howgreen.run(plan)
print(f"green ratio {result.stats.green_ratio:.2f}, pixel ratio {result.stats.green_pixel_ratio:.2f}")

# %%
# The map of green shares shows both halves.

green = result.landcover.data["green_fraction"].compute()
figure, axes = plt.subplots(figsize=(5, 5), layout="constrained")
axes.imshow(green, cmap="YlGn", vmin=0, vmax=1)
axes.set_title("Halfgreen")
axes.set_axis_off()
