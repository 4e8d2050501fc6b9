// Writes the names of points where there is room: beside the point, or further off with a line to it. A name that
// finds no room is left to the hover.
"use strict";
const NAME = { size: 11, height: 13, room: 2 };  // px; the room stays free around a name
const AWAY = [8, 15, 24, 35, 48, 64];  // px from a point to the edge of its name
const TURNS = [0, 180, 90, 270, 30, 150, 210, 330, 60, 120, 240, 300].map((degrees) => degrees * Math.PI / 180);
const pen = document.createElement("canvas").getContext("2d");

function box(x, y, width, height) {
  return { left: x - width / 2, right: x + width / 2, top: y - height / 2, bottom: y + height / 2 };
}

function overlap(one, other) {
  return one.left < other.right && other.left < one.right && one.top < other.bottom && other.top < one.bottom;
}

function pointsOf({ _fullData, _fullLayout: { xaxis, yaxis }, data }) {
  const shown = _fullData.filter((trace) => trace.visible === true).map((trace) => data[trace.index]);
  return shown.flatMap(({ x, y, text = [], error_y }) => x.map((at, i) => {
    const spread = error_y?.array[i] ?? 0;
    const ends = [y[i] - spread, y[i] + spread].map((value) => yaxis.d2p(value));
    return { at, value: y[i], name: text[i], x: xaxis.d2p(at), y: yaxis.d2p(y[i]), height: 10 + ends[0] - ends[1] };
  })).filter((point) => point.value !== null);
}

function placeFor(point, width, taken, frame) {
  for (const away of AWAY) for (const turn of TURNS) {
    const across = Math.cos(turn) * (away + width / 2), down = -Math.sin(turn) * (away + NAME.height / 2);
    const area = box(point.x + across, point.y + down, width + 2 * NAME.room, NAME.height + 2 * NAME.room);
    const inside = area.left >= 0 && area.right <= frame.width && area.top >= 0 && area.bottom <= frame.height;
    if (inside && !taken.some((other) => overlap(area, other))) return { across, down, area, far: away > AWAY[0] };
  }
  return null;
}

function namePoints(plot) {
  const { xaxis, yaxis, font } = plot._fullLayout;
  if (!plot.data.some((trace) => trace.text && trace.type === "scatter")) return;
  const points = pointsOf(plot);
  const key = JSON.stringify([xaxis._length, xaxis.range, yaxis.range, points.length, font.color]);
  if (plot.dataset.named === key) return;
  plot.dataset.named = key;
  pen.font = `${NAME.size}px ${font.family}`;
  const frame = { width: xaxis._length, height: yaxis._length };
  const taken = points.map(({ x, y, height }) => box(x, y, 10, height));
  const annotations = [];
  for (const point of points.filter(({ name }) => name).sort((one, other) => one.y - other.y)) {
    const found = placeFor(point, pen.measureText(point.name).width, taken, frame);
    if (!found) continue;
    taken.push(found.area);
    annotations.push({
      x: xaxis.type === "log" ? Math.log10(point.at) : point.at, y: point.value, text: point.name,
      font: { size: NAME.size }, showarrow: found.far, arrowhead: 0, arrowwidth: 0.8, arrowcolor: font.color, standoff: 5,
      borderpad: 0, ...(found.far ? { ax: found.across, ay: found.down } : { xshift: found.across, yshift: -found.down }),
    });
  }
  Plotly.relayout(plot, { annotations });
}
