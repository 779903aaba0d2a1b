// Plots: the latent map, the maps side by side and the training curves, in the page's own colours.

const MARGIN = { l: 46, t: 8, r: 8, b: 44 };
const SYMBOLS = ["circle", "square", "diamond", "triangle-up", "star", "triangle-down", "hexagon",
  "triangle-left", "bowtie", "triangle-right", "hourglass", "pentagon"]; // crosses are the holes
// Okabe and Ito's colours, which the colour-blind can tell apart, and two of like kind.
const COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8A7A00",
  "#7F3C8D", "#666666", "#A5AA99"];
const BRIGHT = ["#5AAEEA", "#FF8A47", "#2FC79C", "#E6A3CA", "#F2BB45", "#9ADAFF", "#CDBD3F",
  "#C795DB", "#B4B8BC", "#DDE2D3"]; // the same, on a dark page
const DASHES = ["solid", "dash", "dot", "dashdot", "longdash", "longdashdot"];
const MANY = 5000; // points from which WebGL draws them
const DEPTH = 12; // nats below the highest density at which contours end

function theme() {
  const style = getComputedStyle(document.documentElement);
  const read = (name) => style.getPropertyValue(`--${name}`).trim();
  return Object.fromEntries(
    ["paper", "ink", "muted", "line", "low", "high", "contour", "accent"].map((n) => [n, read(n)]));
}

const palette = () => matchMedia("print").matches || !matchMedia("(prefers-color-scheme: dark)").matches ? COLOURS : BRIGHT;

const widthOf = (element) => Math.max(240, element.clientWidth); // a window can be a pixel wide

function axis(colours, more) {
  return { color: colours.muted, gridcolor: colours.line, linecolor: colours.line, zeroline: false,
    showgrid: false, showline: true, mirror: true, ticks: "outside", ticklen: 4, tickcolor: colours.line,
    fixedrange: true, title: { standoff: 6 }, ...more };
}

function layout(colours, more) {
  return { paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false,
    hovermode: false, dragmode: false, margin: MARGIN,
    font: { family: "system-ui, sans-serif", size: 12, color: colours.muted }, ...more };
}

const QUIET = { displayModeBar: false, responsive: false };

function contour(density, colours, top, more = {}) {
  const ceiling = Math.ceil(top);
  return { type: "contour", x: density.x, y: density.x, z: density.z, hoverinfo: "skip",
    zmin: ceiling - DEPTH, zmax: ceiling, showscale: false,
    colorscale: [[0, colours.low], [1, colours.high]],
    contours: { start: 2 * Math.ceil((ceiling - DEPTH) / 2), end: ceiling, size: 2, showlabels: true,
      labelfont: { size: 10, color: colours.muted } },
    line: { width: 0.8, color: colours.contour, smoothing: 0.7 }, ...more };
}

/** The dots of one class, or of all data where there are no classes. */
function dots(kind, x, y, name, number, colours, count = x.length) {
  const plain = number === null, many = count > 2000;
  return { type: kind, mode: "markers", x, y, name, hoverinfo: "skip",
    marker: { symbol: plain ? "circle" : SYMBOLS[number % SYMBOLS.length],
      color: plain ? colours.ink : palette()[number % COLOURS.length],
      size: plain || many ? 4 : 6.5, opacity: many ? 0.6 : 0.85,
      line: { width: plain || many ? 0 : 0.5, color: colours.paper } } };
}

/** Split points by class, or by batch: `[class or null, xs, ys]` for each. */
function byClass(points, labels, names) {
  const [xs, ys] = [points[0], points[1] ?? points[0].map(() => null)];
  if (!labels) return [[null, xs, ys]];
  const found = names.map((_, number) => [number, [], []]);
  labels.forEach((label, n) => {
    if (!found[label]) return;
    found[label][1].push(xs[n]);
    found[label][2].push(ys[n]);
  });
  return found.filter(([, x]) => x.length);
}

/** Draw the map of a plane. `shown` says which layers and which classes are, `by` which these are. */
function drawMap(element, model, plane, shown, by) {
  const colours = theme(), { density } = plane, line = !plane.points[1];
  const kind = plane.points[0].length > MANY ? "scattergl" : "scatter";
  const floor = Math.min(...density.z[0].map((v) => Math.max(v, density.top - DEPTH)));
  const level = (xs) => xs.map(() => floor - 0.4);
  const traces = line
    ? [{ type: "scatter", mode: "lines", x: density.x, y: density.z[0], line: { color: colours.accent, width: 2 }, hoverinfo: "skip" }]
    : [contour(density, colours, density.top)];
  if (shown.data) {
    for (const [number, x, y] of byClass(plane.points, by.codes, by.names)) {
      if (number !== null && shown.without.has(number)) continue;
      traces.push(dots(kind, x, line ? level(x) : y, by.names[number] ?? "data", number, colours, model.numData));
    }
  }
  const inHole = (_, n) => model.hole?.[n] === 1, elsewhere = (_, n) => model.hole?.[n] !== 1;
  const samples = (name, keep, marker) => {
    const [x, y] = [plane.samples[0].filter(keep), (plane.samples[1] ?? level(plane.samples[0])).filter(keep)];
    traces.push({ type: kind, mode: "markers", name, x, y, hoverinfo: "skip", marker });
  };
  if (shown.samples) samples("samples", elsewhere, { symbol: "circle-open", size: 4, color: colours.ink, opacity: 0.6 });
  if (shown.holes && model.hole) {
    for (const [name, color, width] of [["halo", colours.paper, 5], ["holes", colours.ink, 2.2]]) {
      samples(name, inHole, { symbol: "x-thin", size: 7, color, line: { width, color } });
    }
  }
  if (shown.components && plane.components) {
    const heaviest = Math.max(...model.components.weight);
    const [x, y] = [plane.components[0], plane.components[1] ?? level(plane.components[0])];
    const size = model.components.weight.map((w) => 4 + 15 * Math.sqrt(w / heaviest) / Math.sqrt(Math.max(1, x.length / 50)));
    const many = x.length > 100;
    const ring = (name, color, width) => ({ type: kind, mode: "markers", name, x, y, hoverinfo: "skip",
      marker: { symbol: "circle-open", size, color, line: { width, color } } });
    traces.push(ring("halo", colours.paper, many ? 3 : 4.5), ring("components", colours.ink, many ? 1.1 : 1.8));
  }
  const range = [plane.low, plane.high], width = widthOf(element);
  const inner = width - MARGIN.l - MARGIN.r, tall = line ? Math.min(inner, 320) : inner;
  const y = line
    ? { range: [floor - 1, density.top + 1], title: { text: "log p(z) in nats", standoff: 6 } }
    : { range, title: { text: plane.axes[1], standoff: 4 } };
  Plotly.react(element, traces, layout(colours, { width, height: tall + MARGIN.t + MARGIN.b,
    xaxis: axis(colours, { range, title: { text: plane.axes[0], standoff: 6 } }), yaxis: axis(colours, y) }), QUIET);
  return { left: MARGIN.l, top: MARGIN.t, width: inner, height: tall, yRange: y.range };
}

/** Draw a UMAP of the latents, coloured as the map is. */
function drawUmap(element, model, shown, by) {
  const colours = theme(), width = Math.min(widthOf(element), 720);
  const kind = model.umap[0].length > MANY ? "scattergl" : "scatter";
  const traces = byClass(model.umap, by.codes, by.names)
    .filter(([number]) => number === null || !shown.without.has(number))
    .map(([number, x, y]) => dots(kind, x, y, by.names[number] ?? "data", number, colours, model.numData));
  const bare = { showticklabels: false, ticks: "" };
  Plotly.react(element, traces, layout(colours, { width, height: 0.8 * width,
    margin: { l: 30, t: 8, r: 8, b: 30 }, xaxis: axis(colours, { ...bare, title: { text: "UMAP 1", standoff: 4 } }),
    yaxis: axis(colours, { ...bare, title: { text: "UMAP 2", standoff: 4 } }) }), { ...QUIET, staticPlot: true });
}

/** Draw all priors on the same axes, as many beside each other as there is room for. */
function drawBeside(element, maps) {
  const colours = theme(), width = widthOf(element);
  const columns = Math.max(1, Math.min(maps.length, 4, Math.floor(width / 250)));
  const rows = Math.ceil(maps.length / columns);
  const gap = 34, side = (width - 40 - gap * (columns - 1)) / columns;
  const head = 44, each = side + head + 26, height = rows * each + 8;
  const top = Math.max(...maps.map((map) => map.density.top));
  const all = layout(colours, { width, height, margin: { l: 0, t: 0, r: 0, b: 0 }, annotations: [] });
  const traces = [];
  maps.forEach((map, n) => {
    const id = n ? String(n + 1) : "", column = n % columns, row = Math.floor(n / columns);
    const left = 36 + column * (side + gap), above = head + row * each;
    const range = [map.low, map.high], line = !map.points[1];
    const where = { xaxis: `x${id}`, yaxis: `y${id}` };
    all[`xaxis${id}`] = axis(colours, { range, domain: [left / width, (left + side) / width], anchor: `y${id}` });
    all[`yaxis${id}`] = axis(colours, { range: line ? [top - DEPTH, top + 1] : range, anchor: `x${id}`,
      domain: [1 - (above + side) / height, 1 - above / height] });
    all.annotations.push({ text: plain(map.name) + (map.note ? `<br><span style="font-size:11px">${plain(map.note)}</span>` : ""), align: "left", showarrow: false, xref: "paper", yref: "paper", xanchor: "left",
      yanchor: "bottom", x: left / width, y: 1 - above / height, font: { color: colours.ink, size: 13 } });
    traces.push(line
      ? { type: "scatter", mode: "lines", x: map.density.x, y: map.density.z[0], line: { color: colours.accent }, ...where }
      : contour(map.density, colours, top, where));
    const level = (xs) => xs.map(() => top - DEPTH + 0.3);
    const y = map.points[1] ?? level(map.points[0]);
    for (const [number, xs, ys] of byClass([map.points[0], y], map.labels, DATA.labelNames)) {
      traces.push({ ...dots("scatter", xs, ys, map.name, number, colours), ...where });
      Object.assign(traces.at(-1).marker, { symbol: "circle", size: 4, line: { width: 0 } });
    }
    if (map.holes) {
      for (const [color, size] of [[colours.paper, 4], [colours.ink, 1.6]]) {
        traces.push({ type: "scatter", mode: "markers", name: "holes", x: map.holes[0], y: map.holes[1] ?? level(map.holes[0]),
          hoverinfo: "skip", marker: { symbol: "x-thin", size: 6, color, line: { width: size, color } }, ...where });
      }
    }
  });
  Plotly.react(element, traces, all, { ...QUIET, staticPlot: true });
}

/** Plotly reads some markup in texts: escape it, so that names are shown as they are. */
function plain(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

const CURVES = { elbo: "validation ELBO", rate: "rate on validation data", components_in_use: "components in use" };

/** The curves there are, with their titles: with several levels of latents the rate of each too. */
function curveTitles() {
  const levels = new Set(DATA.models.flatMap((model) => Object.keys(model.curves)).filter((name) => /^rate_\d+$/.test(name)));
  return { ...CURVES, ...Object.fromEntries([...levels].sort().map((name) => [name, `rate of level ${name.slice(5)}`])) };
}

function drawCurves(element) {
  const colours = theme(), titles = curveTitles();
  const has = (name) => DATA.models.some((model) => model.curves[name]);
  if (!element.childElementCount) { // all at first, so that each finds its width
    for (const name of Object.keys(titles).filter(has)) element.append(make("div", { "data-curve": name }));
  }
  for (const [name, title] of Object.entries(titles).filter(([name]) => has(name))) {
    const models = DATA.models.map((model, n) => [model, n]).filter(([model]) => model.curves[name]);
    const plot = element.querySelector(`[data-curve="${name}"]`);
    const traces = models.map(([model, n]) => ({ type: "scatter", mode: model.curves.epoch.length > 1 ? "lines" : "markers",
      x: model.curves.epoch, y: model.curves[name], name: plain(model.name), hoverinfo: "skip",
      line: { width: 2, color: palette()[n % COLOURS.length], dash: DASHES[n % DASHES.length] } }));
    const values = models.flatMap(([model]) => model.curves[name].filter((v) => v !== null));
    const sorted = [...values].sort((a, b) => a - b), low = sorted[Math.floor(0.08 * (sorted.length - 1))];
    const high = sorted.at(-1), margin = 0.08 * (high - low || 1);
    const range = name === "elbo" ? [low - margin, high + margin] : undefined; // not the first steps alone
    Plotly.react(plot, traces, layout(colours, { width: widthOf(plot), height: 270,
      margin: { l: 52, t: 30, r: 8, b: 42 }, showlegend: models.length > 1,
      title: { text: title, font: { size: 13, color: colours.ink }, x: 0.01, xanchor: "left", y: 0.97, yanchor: "top" },
      legend: { x: 0.98, xanchor: "right", y: 0.04, yanchor: "bottom", bgcolor: colours.paper, itemclick: false, itemdoubleclick: false },
      xaxis: axis(colours, { title: { text: "epoch", standoff: 6 } }), yaxis: axis(colours, { showgrid: true, range }) }), QUIET);
  }
}
