"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const at = (id) => document.getElementById(id);
const chosen = { part: 0, layer: -1, head: -1 };
const cursor = { row: 0, column: 0, shown: false };
const WEIGHTS = 10000;
const MEAN = "mean";
const NAMES = [
  ["entropy", "entropy, bits"], ["relative_entropy", "share of the highest"], ["distance", "mean distance"],
  ["within_1", "within ±1"], ["within_3", "within ±3"], ["within_7", "within ±7"], ["mass", "inside the sentence"],
];

function element(name, text, attributes) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  for (const [key, value] of Object.entries(attributes || {})) made.setAttribute(key, value);
  return made;
}

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function channels(hex) {
  return [1, 3, 5].map((start) => parseInt(hex.slice(start, start + 2), 16));
}

function ramp(kind) {
  const hue = colour(`--${kind}`) || colour("--other");
  const stops = [colour("--paper"), hue, colour("--deep")].map(channels);
  return (share) => {
    const place = Math.min(Math.max(share, 0), 1) * 2;
    const first = Math.min(Math.floor(place), 1);
    return stops[first].map((low, index) => Math.round(low + (stops[first + 1][index] - low) * (place - first)));
  };
}

function selected() {
  const part = data.parts[chosen.part];
  const layers = chosen.layer < 0 ? part.layers : [part.layers[chosen.layer]];
  return layers.flatMap((layer) => layer.heads.filter((one) => chosen.head < 0 || one.head === chosen.head));
}

function meanCells(heads) {
  const sum = new Float64Array(heads[0].cells.length);
  for (const head of heads) head.cells.forEach((cell, index) => { sum[index] += cell; });
  return sum.map((cell) => cell / heads.length / WEIGHTS);
}

function paint(cells, columns, rows, top, shade) {
  const small = element("canvas");
  [small.width, small.height] = [columns, rows];
  const image = new ImageData(columns, rows);
  cells.forEach((cell, index) => image.data.set([...shade(top ? cell / top : 0), 255], 4 * index));
  small.getContext("2d").putImageData(image, 0, 0);
  return small;
}

function largest(cells) {
  return cells.reduce((most, cell) => Math.max(most, cell), 0);
}

let view = null;
let shape = null;

function draw() {
  const { part, heads, cells } = view;
  const rows = part.rows.length, columns = part.columns.length;
  const top = at("scale").value === "one" ? 1 : view.largest;
  const shade = ramp(part.kind);
  const size = Math.max(3, Math.min(30, Math.floor(600 / Math.max(rows, columns))));
  const canvas = at("map"), context = canvas.getContext("2d");
  const font = `${Math.max(9, Math.min(13, size - 2))}px system-ui, "DejaVu Sans", sans-serif`;
  context.font = font;
  const longest = (tokens) => Math.min(160, Math.max(...tokens.map((one) => context.measureText(short(one)).width)));
  const left = Math.ceil(longest(part.rows)) + 10, above = Math.ceil(longest(part.columns)) + 10;
  const width = left + columns * size + 2, height = above + rows * size + 2;
  const ratio = window.devicePixelRatio || 1;
  [canvas.width, canvas.height] = [width * ratio, height * ratio];
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.imageSmoothingEnabled = false;
  context.drawImage(paint(cells, columns, rows, top, shade), left, above, columns * size, rows * size);
  context.strokeStyle = colour("--line");
  context.strokeRect(left - 0.5, above - 0.5, columns * size + 1, rows * size + 1);
  context.font = font;
  context.textBaseline = "middle";
  const every = Math.ceil(9 / size);
  part.rows.forEach((token, row) => {
    const mine = cursor.shown && row === cursor.row;
    if (row % every && !mine) return;
    context.fillStyle = mine ? colour("--focus") : colour("--ink");
    context.textAlign = "right";
    context.fillText(short(token), left - 6, above + (row + 0.5) * size);
  });
  part.columns.forEach((token, column) => {
    const mine = cursor.shown && column === cursor.column;
    if (column % every && !mine) return;
    context.save();
    context.translate(left + (column + 0.5) * size, above - 6);
    context.rotate(-Math.PI / 2);
    context.textAlign = "left";
    context.fillStyle = mine ? colour("--focus") : colour("--ink");
    context.fillText(short(token), 0, 0);
    context.restore();
  });
  if (cursor.shown) {
    context.strokeStyle = colour("--focus");
    context.lineWidth = 2;
    context.strokeRect(left + cursor.column * size, above + cursor.row * size, size, size);
    context.lineWidth = 1;
  }
  shape = { left, above, size, rows, columns, cells, part };
  at("map-title").textContent = title(part, heads.length);
  at("most").textContent = top.toFixed(top < 0.1 ? 3 : 2);
  const legend = at("ramp").getContext("2d");
  for (let x = 0; x < 160; x += 1) {
    legend.fillStyle = `rgb(${shade(x / 159).join(",")})`;
    legend.fillRect(x, 0, 1, 10);
  }
  read();
}

function short(token) {
  return token.length > 18 ? `${token.slice(0, 17)}…` : token;
}

function title(part, count) {
  const layer = chosen.layer < 0 ? `${part.layers.length} layers` : `layer ${part.layers[chosen.layer].label}`;
  return `${part.name}, ${layer}, ${chosen.head < 0 ? `mean of ${count} heads` : `head ${chosen.head}`}`;
}

function read() {
  const tip = at("tip");
  tip.hidden = !cursor.shown;
  if (!cursor.shown) { at("reading").textContent = ""; return; }
  const { left, above, size, columns, cells, part } = shape;
  const weight = cells[cursor.row * columns + cursor.column].toFixed(4);
  const verb = part.name === "cross-attention" ? "is written from" : "takes from";
  const row = part.rows[cursor.row], column = part.columns[cursor.column];
  const text = `${weight}  ${row} (${cursor.row + 1}) ${verb} ${column} (${cursor.column + 1})`;
  at("reading").textContent = text;
  tip.textContent = text;
  const width = left + columns * size, x = left + (cursor.column + 1) * size + 6;
  tip.style.left = `${Math.max(0, Math.min(x, width - tip.offsetWidth))}px`;
  tip.style.top = `${above + (cursor.row + 1) * size + 6}px`;
}

function options(select, choices, value) {
  select.replaceChildren(...choices.map(([key, text]) => element("option", text, { value: key })));
  select.value = value;
}

function refresh() {
  const part = data.parts[chosen.part];
  const numbers = [...new Set(part.layers.flatMap((layer) => layer.heads.map((one) => one.head)))];
  if (chosen.layer >= part.layers.length) chosen.layer = -1;
  if (!numbers.includes(chosen.head)) chosen.head = -1;
  options(at("part"), data.parts.map((one, index) => [index, one.name]), chosen.part);
  options(at("layer"), [[-1, MEAN], ...part.layers.map((one, index) => [index, one.label])], chosen.layer);
  options(at("head"), [[-1, MEAN], ...numbers.map((one) => [one, one])], chosen.head);
  cursor.row = Math.min(cursor.row, part.rows.length - 1);
  cursor.column = Math.min(cursor.column, part.columns.length - 1);
  const heads = selected(), cells = meanCells(heads);
  view = { part, heads, cells, largest: largest(cells) };
  overview(part, numbers);
  table(part);
  draw();
}

function overview(part, numbers) {
  at("all-title").textContent = `${part.name}, every head up to its own largest weight`;
  const shade = ramp(part.kind), rows = part.rows.length, columns = part.columns.length;
  const scale = 72 / Math.max(rows, columns);
  const head = element("tr");
  head.append(element("td"), ...numbers.map((one) => element("th", `head ${one}`, { scope: "col" })));
  const body = part.layers.map((layer, index) => {
    const line = element("tr");
    line.append(element("th", `layer ${layer.label}${layer.taps ? `, ${layer.taps} taps` : ""}`, { scope: "row" }));
    for (const number of numbers) {
      const one = layer.heads.find((other) => other.head === number), cell = element("td");
      line.append(cell);
      if (!one) continue;
      const button = element("button", undefined, {
        type: "button",
        "aria-label": `layer ${layer.label}, head ${number}`,
        "aria-pressed": String(index === chosen.layer && number === chosen.head),
      });
      const canvas = paint(one.cells, columns, rows, largest(one.cells), shade);
      canvas.style.width = `${Math.max(8, Math.round(columns * scale))}px`;
      canvas.style.height = `${Math.max(8, Math.round(rows * scale))}px`;
      canvas.style.imageRendering = "pixelated";
      button.append(canvas);
      button.addEventListener("click", () => {
        [chosen.layer, chosen.head] = [index, number];
        refresh();
        at("all").querySelector("[aria-pressed=true]").focus();
      });
      cell.append(button);
    }
    return line;
  });
  at("all").replaceChildren(head, ...body);
}

function table(part) {
  const head = element("tr");
  head.append(...["layer", "head", ...NAMES.map(([, text]) => text)].map((text) => element("th", text, { scope: "col" })));
  const body = part.layers.flatMap((layer, index) => layer.heads.map((one) => {
    const line = element("tr");
    if (index === chosen.layer && one.head === chosen.head) line.setAttribute("aria-current", "true");
    line.append(element("td", layer.label), element("td", one.head));
    for (const [name] of NAMES) {
      const value = one.statistics[name];
      line.append(element("td", value === undefined ? "–" : value.toFixed(2)));
    }
    return line;
  }));
  at("numbers").replaceChildren(head, ...body);
}

function point(event) {
  const box = at("map").getBoundingClientRect();
  const column = Math.floor((event.clientX - box.left - shape.left) / shape.size);
  const row = Math.floor((event.clientY - box.top - shape.above) / shape.size);
  cursor.shown = row >= 0 && column >= 0 && row < shape.rows && column < shape.columns;
  if (cursor.shown) [cursor.row, cursor.column] = [row, column];
  draw();
}

function turn(name, step) {
  const select = at(name);
  select.selectedIndex = (select.selectedIndex + step + select.length) % select.length;
  chosen[name] = Number(select.value);
  refresh();
}

const MOVES = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

at("map").addEventListener("keydown", (event) => {
  const move = MOVES[event.key];
  if (!move || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  if (cursor.shown) {
    cursor.row = Math.min(Math.max(cursor.row + move[0], 0), shape.rows - 1);
    cursor.column = Math.min(Math.max(cursor.column + move[1], 0), shape.columns - 1);
  }
  cursor.shown = true;
  draw();
});
at("map").addEventListener("pointermove", point);
at("map").addEventListener("pointerdown", point);
at("map").addEventListener("pointerleave", () => { cursor.shown = false; draw(); });
at("map").addEventListener("blur", () => { cursor.shown = false; draw(); });
document.addEventListener("keydown", (event) => {
  const steps = { "[": ["layer", -1], "]": ["layer", 1], "-": ["head", -1], "=": ["head", 1] };
  if (!steps[event.key] || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  turn(...steps[event.key]);
});
for (const name of ["part", "layer", "head"]) {
  at(name).addEventListener("change", () => { chosen[name] = Number(at(name).value); refresh(); });
}
at("choice").addEventListener("submit", (event) => event.preventDefault());
at("scale").addEventListener("change", draw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", refresh);
for (const [name, text] of [["model", data.model], ["source", data.source], ["target", data.target]]) {
  if (text !== null) at("facts").append(element("dt", name), element("dd", text));
}
refresh();
