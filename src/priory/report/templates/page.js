// The page: what the pointer and the keyboard reach on the map, and what is drawn when.

const at = (id) => document.getElementById(id);
const state = { model: 0, plane: 0, by: "class", component: null, x: null, y: null, box: null, components: 48,
  shown: { data: true, components: true, holes: true, samples: false, without: new Set() } };
const model = () => DATA.models[state.model];
/** What the dots are told apart by: the class or the batch of each, and its names. */
const by = () => state.by === "batch"
  ? { codes: model().batches, names: DATA.batchNames } : { codes: model().labels, names: DATA.labelNames };
const plane = () => model().planes[state.plane];
const number = (value, digits = 2) => value.toFixed(digits).replace("-", "−");
const percent = (share) => `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)}%`;
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

function redrawMap() {
  state.box = drawMap(at("plot"), model(), plane(), state.shown, by());
  at("umap-figure").hidden = !model().umap;
  if (model().umap) drawUmap(at("umap"), model(), state.shown, by());
  const { left, top, width, height } = state.box;
  Object.assign(at("pad").style, { left: `${left}px`, top: `${top}px`, width: `${width}px`, height: `${height}px` });
  place();
}

/** Put the point and the ring where they belong. */
function place() {
  if (!state.box) return;
  const { width, height } = state.box, { low, high, components } = plane();
  const put = (element, x, y) => {
    element.hidden = x === null;
    if (x === null) return;
    element.style.left = `${width * (x - low) / (high - low)}px`;
    element.style.top = y === null ? `${height - 14}px` : `${height * (1 - (y - low) / (high - low))}px`;
  };
  put(at("cursor"), state.x, plane().points[1] ? state.y : null);
  const k = state.component;
  put(at("ring"), k === null ? null : components[0][k], k === null ? null : components[1]?.[k] ?? null);
}

/** Decode at a point: show the example of its cell and say where it is. */
function look(x, y, aloud = false) {
  const { low, high, side, grid, density, points, exact } = plane(), line = !points[1];
  const cell = (value) => clamp(Math.floor(side * (value - low) / (high - low)), 0, side - 1);
  state.x = clamp(x, low, high);
  state.y = line ? 0 : clamp(y, low, high);
  place();
  const index = line ? cell(state.x) : cell(state.y) * side + cell(state.x);
  draw(at("here"), grid, index);
  at("here").dataset.cell = index;
  const nearest = (value) => clamp(Math.round((density.x.length - 1) * (value - low) / (high - low)), 0, density.x.length - 1);
  const logProb = density.z[line ? 0 : nearest(state.y)][nearest(state.x)];
  const near = nearestPoint(points, state.x, state.y);
  const facts = [
    [line ? "z" : exact ? "z₁, z₂" : "in this plane", line ? number(state.x) : `${number(state.x)}, ${number(state.y)}`],
    [exact ? "log p(z)" : "log-density in this plane", `${logProb <= density.top - 59.9 ? "below " : ""}${number(logProb, 1)} nats`],
  ];
  const { codes, names } = by();
  if (codes) facts.push([`${state.by} of the nearest test example`, names[codes[near]]]);
  list(at("where"), facts);
  const words = inWords(grid, index);
  at("here").setAttribute("aria-label", `the example decoded here${words && `: ${words}`}`);
  if (aloud) say([...facts.map((fact) => fact.join(" ")), words].filter(Boolean).join("; "));
}

function nearestPoint([xs, ys], x, y) {
  let best = 0, least = Infinity;
  for (let n = 0; n < xs.length; n++) {
    const distance = (xs[n] - x) ** 2 + (ys ? (ys[n] - y) ** 2 : 0);
    if (distance < least) [best, least] = [n, distance];
  }
  return best;
}

function list(element, facts) {
  element.replaceChildren(...facts.flatMap(([term, what]) => [make("dt", {}, term), make("dd", {}, what)]));
}

function say(text) { at("said").textContent = text; }

/** Show what a component stands for. */
function choose(k, aloud = false) {
  const { components } = model();
  state.component = k;
  at("component").hidden = k === null;
  for (const button of at("component-list").children) button.setAttribute("aria-pressed", String(Number(button.dataset.k) === k));
  place();
  if (k === null) return;
  const kind = components.pseudo ? "its pseudo-input" : "the example decoded at its mean";
  at("component-title").textContent = `Component ${k + 1} of ${components.total} by weight`;
  draw(at("component-picture"), components.pictures, k);
  at("component-picture").setAttribute("aria-label", `${kind} ${inWords(components.pictures, k)}`);
  const facts = [["shown", kind], ["weight", percent(components.weight[k])], ["share of the test data", percent(components.share[k])]];
  list(at("component-facts"), facts);
  row(at("component-near"), components.nearData, components.near[k], "the nearest test examples");
  row(at("component-samples"), components.samples,
    Array.from({ length: components.perComponent }, (_, n) => k * components.perComponent + n), "samples from this component");
  if (aloud) say(`${at("component-title").textContent}; ${facts.map((fact) => fact.join(" ")).join("; ")}`);
}

function row(element, set, indices, label) {
  element.replaceChildren(...indices.map((index) => {
    const picture = make("span", { class: "pic" });
    draw(picture, set, index);
    return picture;
  }));
  const words = indices.map((index) => inWords(set, index)).filter(Boolean).join("; ");
  element.setAttribute("aria-label", `${indices.length} of ${label} ${words}`);
}

/** The component nearest to a point, if it is near enough to be meant. */
function componentAt(x, y, within = Infinity) {
  const { components, low, high } = plane();
  if (!components || !state.shown.components) return null;
  const k = nearestPoint(components, x, y);
  const scale = state.box.width / (high - low);
  const away = scale * Math.hypot(components[0][k] - x, components[1] ? components[1][k] - y : 0);
  return away <= within ? k : null;
}

function listComponents() {
  const { components } = model(), box = at("component-list");
  at("components").hidden = !components;
  if (!components) return;
  const count = components.weight.length, shown = Math.min(count, state.components);
  at("components-title").textContent = `${components.pseudo ? "Pseudo-inputs" : "Components"}, the heaviest first`
    + (count < components.total ? ` (${count} of ${components.total})` : "");
  box.replaceChildren(...Array.from({ length: shown }, (_, k) => {
    const unused = components.share[k] < 0.01 / components.total;
    const button = make("button", { type: "button", "data-k": k, "aria-pressed": String(k === state.component),
      "aria-label": `component ${k + 1}, weight ${percent(components.weight[k])}${unused ? ", not used by the data" : ""}` });
    button.classList.toggle("unused", unused);
    const picture = make("span", { class: "pic" });
    draw(picture, components.pictures, k);
    button.append(picture, make("small", {}, percent(components.weight[k])));
    button.addEventListener("click", () => choose(k, true));
    return button;
  }));
  at("more-components").hidden = shown === count;
  at("more-components").textContent = `Show all ${count}`;
}

function caption() {
  const { components, hole, numData } = model(), { codes } = by(), shown = plane().points[0].length;
  const count = hole?.filter((flag) => flag).length;
  at("map-caption").textContent = [
    plane().points[1] ? `Contours: log ${plane().exact ? "p(z)" : "p of this plane, from samples of the prior"}, in nats, every 2.` : "The line: log p(z).",
    `Dots: one sample of q(z|x) for each ${shown < numData ? `of ${shown.toLocaleString("en")} of the ${numData.toLocaleString("en")}` : `of the ${numData.toLocaleString("en")}`} test data${codes ? `, a symbol for each ${state.by}` : ""}.`,
    components ? "Rings: means of the components, the larger the heavier." : "",
    hole ? `Crosses: the ${count} of ${hole.length.toLocaleString("en")} samples of the prior that are in holes of q(z).` : "",
    plane().exact ? "" : "Points are decoded in the plane through the mean of q(z); nothing outside the plane is visible.",
  ].filter(Boolean).join(" ");
}

/** Buttons of which one is chosen. */
function radios(box, names, chosen, change) {
  for (const label of box.querySelectorAll("label")) label.remove();
  names.forEach((name, n) => {
    const label = make("label", { class: "choice-button" });
    const input = make("input", { type: "radio", name: box.id, value: n });
    input.checked = n === chosen;
    input.addEventListener("change", () => change(n));
    label.append(input, make("span", {}, name));
    box.append(label);
  });
}

function layers() {
  const named = { data: "data", components: "components", holes: "samples in holes ✕", samples: "other samples of the prior ○" };
  at("layers").replaceChildren(...Object.entries(named).filter(([name]) =>
    (name !== "components" || model().components) && (name !== "holes" || model().hole)).map(([name, text]) => {
    const label = make("label"), input = make("input", { type: "checkbox", "data-layer": name });
    input.checked = state.shown[name];
    input.addEventListener("change", () => { state.shown[name] = input.checked; redrawMap(); });
    label.append(input, make("span", {}, text));
    return label;
  }));
}

function legend() {
  const { codes, names } = by();
  at("legend").setAttribute("aria-label", state.by === "batch" ? "Batches shown" : "Labels shown");
  if (!codes) return at("legend").replaceChildren();
  const present = new Set(codes);
  at("legend").replaceChildren(...[...present].sort((a, b) => a - b).map((label) => {
    const button = make("button", { type: "button", "aria-pressed": String(!state.shown.without.has(label)) });
    button.append(glyph(label), make("span", {}, names[label]));
    button.addEventListener("click", () => {
      const { without } = state.shown;
      if (!without.delete(label)) without.add(label);
      button.setAttribute("aria-pressed", String(!without.has(label)));
      redrawMap();
    });
    return button;
  }));
}

/** The symbol of a class, as Plotly draws it. */
function glyph(label) {
  const ns = "http://www.w3.org/2000/svg", svg = document.createElementNS(ns, "svg");
  const path = document.createElementNS(ns, "path");
  svg.setAttribute("viewBox", "-7 -7 14 14");
  svg.setAttribute("aria-hidden", "true");
  path.setAttribute("d", GLYPHS[label % GLYPHS.length]);
  path.setAttribute("fill", palette()[label % COLOURS.length]);
  svg.append(path);
  return svg;
}

const ngon = (corners, turn) => `M${Array.from({ length: corners }, (_, n) => {
  const angle = 2 * Math.PI * n / corners + turn;
  return `${6 * Math.sin(angle)},${-6 * Math.cos(angle)}`;
}).join("L")}Z`;
const star = `M${Array.from({ length: 10 }, (_, n) => {
  const angle = Math.PI * n / 5, radius = n % 2 ? 2.7 : 6.5;
  return `${radius * Math.sin(angle)},${-radius * Math.cos(angle)}`;
}).join("L")}Z`;
const GLYPHS = ["M5,0A5,5 0 1 1 -5,0A5,5 0 1 1 5,0Z", "M-5,-5H5V5H-5Z", "M0,-6.5L6.5,0L0,6.5L-6.5,0Z",
  ngon(3, 0), star, ngon(3, Math.PI), ngon(6, 0), ngon(3, -Math.PI / 2), "M-6,-5L6,5V-5L-6,5Z", ngon(3, Math.PI / 2),
  "M-5,-6L5,6H-5L5,-6Z", ngon(5, 0)];

/** Tell the dots apart by class or by batch, where there is a choice. */
function colouring() {
  const kinds = ["class", "batch"].filter((kind) => model()[kind === "batch" ? "batches" : "labels"]);
  if (kinds.length && !kinds.includes(state.by)) state.by = kinds[0];
  at("choose-colour").hidden = kinds.length < 2;
  radios(at("choose-colour"), kinds, kinds.indexOf(state.by), (n) => {
    state.by = kinds[n];
    state.shown.without.clear();
    legend();
    redrawMap();
    caption();
  });
}

function showModel(n) {
  Object.assign(state, { model: n, component: null, components: 48, plane: Math.min(state.plane, DATA.models[n].planes.length - 1) });
  choose(null);
  layers();
  colouring();
  legend();
  listComponents();
  showPlane(state.plane);
}

function showPlane(n) {
  state.plane = n;
  const names = model().planes.map(({ axes }) => `${axes[0].split(" ")[0]} × ${axes[1]}`);
  radios(at("choose-plane"), names, n, showPlane);
  at("choose-plane").hidden = names.length < 2;
  at("pad").setAttribute("aria-label", `Latent space of ${model().name}`);
  redrawMap();
  caption();
  const { low, high, points } = plane(), inside = (value) => value !== null && value >= low && value <= high;
  const keep = inside(state.x) && (!points[1] || inside(state.y));
  look(keep ? state.x : points[0][0], keep ? state.y : points[1]?.[0] ?? 0);
}

function listen() {
  const pad = at("pad");
  const where = (event) => {
    const box = pad.getBoundingClientRect(), { low, high } = plane();
    return [low + (high - low) * (event.clientX - box.left) / box.width,
      high - (high - low) * (event.clientY - box.top) / box.height];
  };
  pad.addEventListener("pointermove", (event) => look(...where(event)));
  pad.addEventListener("pointerdown", (event) => look(...where(event)));
  pad.addEventListener("click", (event) => {
    const k = componentAt(...where(event), 16);
    if (k !== null) choose(k, true);
  });
  pad.addEventListener("keydown", (event) => {
    const { low, high, side } = plane(), step = (high - low) / side * (event.shiftKey ? 5 : 1);
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    if (event.key in moves) {
      const [right, up] = moves[event.key];
      look(state.x + right * step, state.y + up * step, true);
    } else if (event.key === "Enter") {
      const k = componentAt(state.x, state.y);
      if (k !== null) choose(k, true);
    } else return;
    event.preventDefault();
  });
  at("more-components").addEventListener("click", () => { state.components = Infinity; listComponents(); });
  for (const button of document.querySelectorAll(".copy")) {
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(button.previousElementSibling.textContent);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(button.previousElementSibling); // to be copied by hand
      }
    });
  }
  let width = innerWidth, waiting = null;
  addEventListener("resize", () => {
    if (innerWidth === width) return; // a phone's bars come and go as it scrolls
    width = innerWidth;
    clearTimeout(waiting);
    waiting = setTimeout(redraw, 120);
  });
  for (const query of ["(prefers-color-scheme: dark)", "print"]) matchMedia(query).addEventListener("change", redraw);
}

function redraw() {
  legend();
  redrawMap();
  if (DATA.beside.length) drawBeside(at("beside"), DATA.beside);
  if (DATA.apart.length) drawBeside(at("apart"), DATA.apart);
  drawCurves(at("curves"));
}

/** Say what the curves show. */
function curvesInWords() {
  const known = DATA.models.filter((model) => model.curves.elbo);
  at("training").hidden = !known.length;
  at("curves-text").textContent = known.map(({ name, curves }) => {
    const best = Math.max(...curves.elbo.filter((value) => value !== null));
    return `${name}: the validation ELBO rose to ${number(best)} nats in ${curves.epoch.length} epochs.`;
  }).join(" ");
}

async function start() {
  await loadSprites();
  fillPictures();
  radios(at("choose-model"), DATA.models.map(({ name }) => name), DATA.first, showModel);
  curvesInWords();
  showModel(DATA.first);
  listen();
  redraw();
  document.body.dataset.ready = "yes";
}

start();
