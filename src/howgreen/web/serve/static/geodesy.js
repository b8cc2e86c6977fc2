// Areas on the ellipsoid, and whether an outline crosses itself: said while somebody draws.

const A = 6378137, F = 1 / 298.257223563, E2 = F * (2 - F), E = Math.sqrt(E2), B2 = A * A * (1 - E2);

/** Area between the equator and a latitude, per radian of longitude, in m² (WGS 84; Snyder 1987, eq. 3-12). */
function zone(latitude) {
  const sine = Math.sin((latitude * Math.PI) / 180);
  return (B2 / 2) * (sine / (1 - E2 * sine * sine) + Math.log((1 + E * sine) / (1 - E * sine)) / (2 * E));
}

/** Signed area of a ring whose edges are straight in longitude and latitude: Simpson's rule on each edge. */
function ring(positions) {
  let sum = 0;
  for (let i = 0; i + 1 < positions.length; i += 1) {
    const [x0, y0] = positions[i], [x1, y1] = positions[i + 1];
    const steps = Math.max(1, Math.ceil(Math.abs(y1 - y0) / 0.5));
    for (let k = 0; k < steps; k += 1) {
      const a = y0 + ((y1 - y0) * k) / steps, b = y0 + ((y1 - y0) * (k + 1)) / steps;
      sum -= (((x1 - x0) * Math.PI) / 180 / steps) * ((zone(a) + 4 * zone((a + b) / 2) + zone(b)) / 6);
    }
  }
  return sum;
}

const polygons = (geometry) => (!geometry ? [] : geometry.type === "Polygon" ? [geometry.coordinates] : geometry.type === "MultiPolygon" ? geometry.coordinates : []);
export { polygons };

/** Area of a Polygon or MultiPolygon in m². */
export function areaOf(geometry) {
  return polygons(geometry).reduce((sum, [outer, ...holes]) => sum + Math.abs(ring(outer)) - holes.reduce((less, hole) => less + Math.abs(ring(hole)), 0), 0);
}

/** Number of vertices, closing ones left out. */
export const verticesOf = (geometry) => polygons(geometry).flat().reduce((sum, one) => sum + one.length - 1, 0);

const side = (a, b, c) => Math.sign((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]));

/** Where a closed ring crosses itself; null where it does not. Rings of over 1,500 vertices are left to the server. */
export function crossing(positions) {
  const n = positions.length - 1;
  if (n > 1500) return null;
  for (let i = 0; i < n; i += 1) {
    for (let j = i + 2; j < n; j += 1) {
      if (i === 0 && j === n - 1) continue;
      const [a, b, c, d] = [positions[i], positions[i + 1], positions[j], positions[j + 1]];
      if (side(a, b, c) !== side(a, b, d) && side(c, d, a) !== side(c, d, b)) {
        const p = (b[0] - a[0]) * (d[1] - c[1]) - (b[1] - a[1]) * (d[0] - c[0]);
        if (!p) return a;
        const share = ((c[0] - a[0]) * (d[1] - c[1]) - (c[1] - a[1]) * (d[0] - c[0])) / p;
        return [a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1])];
      }
    }
  }
  return null;
}

/** West, south, east, north of a geometry. */
export function boundsOf(geometry) {
  const flat = polygons(geometry).flat(2);
  const xs = flat.map((p) => p[0]), ys = flat.map((p) => p[1]);
  const least = (values) => values.reduce((a, b) => Math.min(a, b), Infinity), most = (values) => values.reduce((a, b) => Math.max(a, b), -Infinity);
  return flat.length ? [least(xs), least(ys), most(xs), most(ys)] : null;
}
