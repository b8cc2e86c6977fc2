"""# Walk in midway

Every stage is a plain function between two values. A researcher can bring their own boundary, images, model or labels and
use the stages that are left. This walks Sampleton (synthetic) by hand and compares with its exact truth.
"""

from pathlib import Path

import platformdirs

from howgreen import imagery, landcover, measure, place, sample
from howgreen.core.types import Period

root = sample.ensure(Path(platformdirs.user_cache_dir("howgreen")))

# Place: a drawn quarter instead of the whole city.
whole = place.find("Sampleton", stores=[root])
centre = whole.districts[0].boundary.representative_point()
quarter = place.find(f"{centre.y:.5f}, {centre.x:.5f}", radius_m=600)
print(f"{quarter.label}: {quarter.area_m2 / 1e6:.2f} km²")

# Imagery: what there is, what is clear inside the limits, and one clear composite.
period = Period.parse("2024-05/2024-09")
for scene in imagery.find(whole, period, root=root, sensor="sentinel-2"):
    print(f"{scene.time:%Y-%m-%d} clear {scene.clear_pct:5.1f} % of the city, offset {scene.offset:+.1f}")
model = landcover.load_model("mixture-10")
scenes, passed_over = imagery.choose(
    imagery.find(quarter, period, root=root, sensor="sentinel-2"), city=quarter, period=period, bands=model.card.bands
)
composite = imagery.composite(scenes, grid=imagery.grid(quarter), bands=model.card.bands)
print(composite.data)

# Land cover, with two models on the same pixels; then the measure.
for name in ("mixture-10", "ndvi"):
    covered = landcover.classify(composite, landcover.load_model(name))
    city, *_ = measure.green(covered, quarter)
    print(f"{name:12s} green ratio {city.stats.green_ratio:.3f}")
