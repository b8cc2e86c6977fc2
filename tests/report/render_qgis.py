"""Run by the Python that QGIS belongs to: opens a report as a person would, and draws what QGIS then shows.

Usage: render_qgis.py FOLDER OUT [FOLDER]. Writes OUT/project.png, OUT/<layer>.png for each file opened by itself (the rasters of the
other folder too), and OUT/told.json.
"""

import json
import sys
from pathlib import Path

from qgis.core import (
    QgsApplication,
    QgsMapRendererParallelJob,
    QgsMapSettings,
    QgsProject,
    QgsRasterLayer,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QSize
from qgis.PyQt.QtGui import QColor

folder, out = Path(sys.argv[1]), Path(sys.argv[2])
QgsApplication.setPrefixPath("/usr", True)
app = QgsApplication([], False)
app.initQgis()


def draw(layers, extent, crs, name):
    settings = QgsMapSettings()
    settings.setLayers(layers)
    settings.setDestinationCrs(crs)
    settings.setExtent(extent)
    settings.setOutputSize(QSize(420, 360))
    settings.setBackgroundColor(QColor("#ffffff"))
    job = QgsMapRendererParallelJob(settings)
    job.start()
    job.waitForFinished()
    job.renderedImage().save(str(out / f"{name}.png"))


def legend(layer):
    if isinstance(layer, QgsVectorLayer):
        return [item.label() for item in layer.renderer().legendSymbolItems()]
    renderer = layer.renderer()
    items = renderer.classes() if renderer.type() == "paletted" else []
    return [[item.value, item.label, item.color.name()] for item in items]


def bands(layer):
    renderer = layer.renderer()
    return (
        [getattr(renderer, f"{colour}Band")() for colour in ("red", "green", "blue")]
        if renderer.type() == "multibandcolor"
        else []
    )


told = {"alone": {}, "project": []}
first = None
for path in sorted(path for one in (folder, *map(Path, sys.argv[3:])) for path in one.glob("*.tif")):
    layer = QgsRasterLayer(str(path), path.stem)
    if path.parent == folder:
        first = first or layer
    told["alone"][path.name] = {
        "valid": layer.isValid(), "renderer": layer.renderer().type(), "legend": legend(layer), "bands": bands(layer),
        "names": [layer.bandName(n + 1) for n in range(layer.bandCount())],
    }  # fmt: skip
    draw([layer], layer.extent(), layer.crs(), path.stem)
for name in ("city", "districts"):
    layer = QgsVectorLayer(f"{folder / 'districts.gpkg'}|layername={name}", name, "ogr")
    told["alone"][name] = {
        "valid": layer.isValid(), "renderer": layer.renderer().type() if layer.isValid() else "", "legend": legend(layer),
        "rows": layer.featureCount(), "aliases": [layer.attributeAlias(n) for n in range(layer.fields().count())],
    }  # fmt: skip
    draw([layer], first.extent(), first.crs(), name)
project = QgsProject.instance()
told["read"] = project.read(str(folder / "howgreen.qgz"))
tree = project.layerTreeRoot()
for node in tree.findLayers():
    layer = node.layer()
    told["project"].append({
        "name": node.name(), "valid": layer is not None and layer.isValid(), "shown": node.isVisible(),
        "source": layer.source() if layer else "", "crs": layer.crs().authid() if layer else "",
    })  # fmt: skip
told["crs"], told["title"] = project.crs().authid(), project.title()
draw([node.layer() for node in tree.findLayers() if node.isVisible()], first.extent(), first.crs(), "project")
for node in tree.findLayers():
    draw([node.layer()], first.extent(), first.crs(), f"project-{node.layerId()}")
(out / "told.json").write_text(json.dumps(told))
project.clear()
del layer, first, project, tree
app.exitQgis()
