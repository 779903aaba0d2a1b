"use strict";
// Pictures: cut from a sprite, or drawn as bars.

const DATA = JSON.parse(document.getElementById("data").textContent);
const sheets = new Map(); // the loaded image of each sprite

/** Make an element with attributes and text; text is never read as markup. */
function make(tag, attributes = {}, text = null) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== null) element.textContent = text;
  return element;
}

function everySprite() {
  const found = [];
  const visit = (value) => {
    if (value === null || typeof value !== "object") return;
    if (typeof value.source === "string") found.push(value);
    else if (!(Array.isArray(value) && typeof value[0] === "number")) Object.values(value).forEach(visit);
  };
  visit(DATA.models);
  return found;
}

async function loadSprites() {
  await Promise.all(everySprite().map(async (sprite) => {
    const image = new Image();
    image.src = sprite.source;
    await image.decode();
    sheets.set(sprite, image);
  }));
}

/** Draw one example of a set into an element, and keep what is there where it can be used again. */
function draw(element, set, index) {
  if (set.values) return drawBars(element, set.values[index]);
  let canvas = element.firstElementChild;
  if (!canvas) {
    canvas = make("canvas", { width: set.width, height: set.height });
    canvas.classList.toggle("grey", set.grey);
    element.append(canvas);
  }
  const column = index % set.columns, row = Math.floor(index / set.columns);
  canvas.getContext("2d").drawImage(
    sheets.get(set), column * set.width, row * set.height, set.width, set.height,
    0, 0, set.width, set.height);
}

function drawBars(element, values) {
  const { names, low, high } = DATA.bars;
  const part = (value, n) => 100 * Math.min(1, Math.max(0, (value - low[n]) / (high[n] - low[n])));
  element.replaceChildren();
  if (!element.classList.contains("big")) {
    const small = make("span", { class: "small-bars" });
    small.title = values.map((value, n) => `${names[n]} ${value}`).join(", ");
    values.forEach((value, n) => small.append(sized(make("b"), "height", part(value, n))));
    element.append(small);
    return;
  }
  const list = make("div", { class: "bars" });
  values.forEach((value, n) => {
    const track = make("i");
    track.append(sized(make("b"), "width", part(value, n)));
    const name = make("span", {}, names[n]);
    name.title = names[n];
    list.append(name, track, make("span", {}, String(value)));
  });
  element.append(list);
}

function sized(element, side, percent) {
  element.style[side] = `${percent}%`;
  return element;
}

/** Say in words what bars show; of images there are no words. */
function inWords(set, index) {
  if (!set.values) return "";
  return set.values[index].map((value, n) => `${DATA.bars.names[n]} ${value}`).join(", ");
}

function setOf(model, name) {
  return model[name] ?? model.paths[name];
}

function fillPictures() {
  for (const element of document.querySelectorAll(".pic[data-set]")) {
    const { model, set, index } = element.dataset;
    draw(element, setOf(DATA.models[model], set), Number(index));
  }
}
