// Leaflet-Geoman draws, drags, cuts and removes areas; what it drew is exported as GeoJSON. MAP and FILENAME are filled in.
(() => {
  const map = MAP;
  if (!map.pm) return;
  // What was on the map before is looked at, not changed.
  map.eachLayer((layer) => {
    layer.options.pmIgnore = true;
    layer.options.snapIgnore = true;
    delete layer.pm;
  });
  const off = { drawMarker: false, drawCircle: false, drawCircleMarker: false, drawPolyline: false, drawText: false, rotateMode: false };
  map.pm.addControls({ position: "topleft", ...off });
  map.pm.setGlobalOptions({ allowSelfIntersection: false, snapDistance: 12 });

  const drawn = () => map.pm.getGeomanDrawLayers().filter((layer) => layer.toGeoJSON && map.hasLayer(layer));
  const Save = L.Control.extend({
    options: { position: "topleft" },
    onAdd() {
      const box = L.DomUtil.create("div", "leaflet-bar howgreen-export");
      const button = L.DomUtil.create("button", "", box);
      button.type = "button";
      button.textContent = "Export";
      button.title = `Save what was drawn as ${FILENAME}`;
      L.DomEvent.disableClickPropagation(box);
      L.DomEvent.on(button, "click", () => {
        const features = drawn().map((layer) => layer.toGeoJSON());
        if (!features.length) {
          button.textContent = "Draw an area first";
          setTimeout(() => { button.textContent = "Export"; }, 2000);
          return;
        }
        const link = document.createElement("a");
        const text = JSON.stringify({ type: "FeatureCollection", features }, null, 1);
        link.href = URL.createObjectURL(new Blob([text], { type: "application/geo+json" }));
        link.download = FILENAME;
        document.body.append(link);
        link.click();
        link.remove();
        setTimeout(() => URL.revokeObjectURL(link.href), 10000);
      });
      return box;
    },
  });
  new Save().addTo(map);
})();
