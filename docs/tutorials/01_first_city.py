"""# How green is Sampleton?

Sampleton is synthetic: it is simulated on this computer, so that its true green ratio is known to the square metre.
Nothing here needs a network.
"""

import tempfile
from pathlib import Path

import howgreen

# One line does the whole journey: limits, images, land cover, measure.
result = howgreen.city("Sampleton")
stats = result.stats
print(f"green ratio       {stats.green_ratio:.3f}")
print(f"interval          {stats.interval.low:.3f} to {stats.interval.high:.3f} ({stats.interval.method})")
print(f"seen              {stats.observed_ratio:.1%} of the land, on {len(result.plan.scenes)} dates")

# The zones are a GeoDataFrame: the city first, then its districts.
print(result.zones[["name", "kind", "green_ratio", "observed_ratio"]].to_string(index=False))

# Look around. In a notebook the map shows itself; the drawing tool exports GeoJSON that `--area` accepts.
with tempfile.TemporaryDirectory() as folder:
    page = Path(folder) / "map.html"
    result.explore().save(str(page))
    print(f"the map is a page of {page.stat().st_size / 1e6:.1f} MB")

    # The folder that a mayor opens: report.html, maps as GeoTIFFs, tables, the plan.
    summary = result.save(Path(folder) / "report")
    print(sorted(path.name for path in (Path(folder) / "report").iterdir()))
    print(f"model {summary['model']['name']}, sha256 {summary['model']['sha256'][:12]}...")
