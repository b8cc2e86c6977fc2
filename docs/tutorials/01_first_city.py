"""
How green is Sampleton?
=======================

Sampleton is synthetic: it is simulated on your computer, so its true green ratio is known to the square metre.
Nothing here needs a network.
"""

# %%
# One call makes the whole journey: boundary, images, land cover, measurement.

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt

import howgreen

result = howgreen.city("Sampleton")
stats = result.stats
print(f"green ratio   {stats.green_ratio:.3f}")
print(f"interval      {stats.interval.low:.3f} to {stats.interval.high:.3f}")
print(f"seen          {stats.observed_ratio:.1%} of the land, on {len(result.plan.scenes)} dates")

# %%
# Always quote these together: the ratio, its interval, the share of the land that was seen, and the dates.
#
# The maps are ordinary xarray data. This is the green share of every 10 m pixel.

green = result.landcover.data["green_fraction"].compute()
figure, axes = plt.subplots(figsize=(7, 6), layout="constrained")
picture = axes.imshow(green, cmap="YlGn", vmin=0, vmax=1)
axes.set_title("Sampleton (synthetic)")
axes.set_axis_off()
figure.colorbar(picture, label="green share of the pixel", shrink=0.7)

# %%
# The zones are a GeoDataFrame: the city first, then its districts.

print(result.zones[["name", "kind", "green_ratio", "observed_ratio"]].round(3).to_string(index=False))

# %%
# ``save`` writes the folder that you can hand to somebody else: a report to read in a browser, the maps as GeoTIFFs,
# the figures as tables and JSON, and the plan that gives the same answer again.

with tempfile.TemporaryDirectory() as folder:
    result.save(Path(folder) / "report")
    print(*sorted(path.name for path in (Path(folder) / "report").iterdir()), sep="\n")
