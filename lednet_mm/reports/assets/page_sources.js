"use strict";
// Functions that all parts share, and the dialog that shows the sources of a number.

// `redraw` has the functions that draw plots again; `built` are promises of tables that are not finished yet.
const report = { data: JSON.parse(document.getElementById("data").textContent), tables: {}, charts: {}, built: [], redraw: [] };

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") made.className = value;
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

// ---- parts that are built when they come near the window ----

// A part with more rows or points is built only when it comes near the window: a thousand take a third of a second.
const MANY = 200;

const waiting = new Map(); // from the element that is observed to the function that fills it
const observer = new IntersectionObserver(
  (entries) => entries.filter((entry) => entry.isIntersecting).forEach(({ target }) => buildWaiting(target)),
  { rootMargin: "800px" },
);

function buildWhenNear(target, size, build) {
  if (size > MANY) waiting.set(target, build);
  else build();
}

// To be called when the parts that do not wait have their height, as they move the others.
function watchWaiting() {
  for (const target of waiting.keys()) observer.observe(target);
}

function buildWaiting(target) {
  const build = waiting.get(target);
  waiting.delete(target);
  observer.unobserve(target);
  if (build) build();
}

function isInWindow(target) {
  const { top, bottom } = target.getBoundingClientRect();
  return bottom >= 0 && top <= innerHeight;
}

addEventListener("beforeprint", () => [...waiting.keys()].forEach(buildWaiting));

// ---- sources of numbers ----

function record(number) {
  const { fields, interned, rows, strings } = report.data.sources;
  const found = Object.fromEntries(fields.map((name, i) => [name, rows[number][i]]));
  for (const name of interned) found[name] = found[name] === null ? null : strings[found[name]];
  return found;
}

function recordEntry(number) {
  const r = record(number);
  const seed = r.seed === null ? "" : `, seed ${r.seed}`;
  const facts = [
    ["record", r.name],
    ["file", `${r.folder}/${r.name}.json`],
    ["values", Object.entries(r.values).map(([k, v]) => `${k} ${typeof v !== "number" || Number.isInteger(v) ? v : +v.toPrecision(6)}`).join(", ")],
    ["commit", r.commit === null ? null : r.commit + (r.dirty ? " (with changes not committed)" : "")],
    ["device", r.device + (r.threads ? `, ${r.threads} thread${r.threads > 1 ? "s" : ""}` : "") + `, ${r.precision}`],
    ["date", r.date],
    ["command", r.command],
    ["versions", r.versions],
    ["config sha256", r.config],
    ["checkpoint sha256", r.checkpoint],
    ["data", r.data],
  ];
  return element("div", { class: "record" }, element("strong", {}, `${r.run}${seed}`), definitions(facts));
}

function definitions(facts) {
  const list = element("dl");
  for (const [name, value] of facts) {
    if (value) list.append(element("dt", {}, name), element("dd", {}, value));
  }
  return list;
}

function openDialog(title, ...content) {
  document.getElementById("dialog-title").textContent = title;
  document.getElementById("dialog-body").replaceChildren(...content);
  document.getElementById("dialog").showModal();
}

// A number comes from records, from a publication, or from both.
function showSources(title, numbers, citations = []) {
  const many = numbers.length > 1 ? [element("p", { class: "note" }, `Computed from ${numbers.length} records.`)] : [];
  const published = citations.map((text) =>
    element("div", { class: "record" }, element("strong", {}, "Published"), definitions([["source", text]])));
  openDialog(title, ...published, ...many, ...numbers.map(recordEntry));
}
