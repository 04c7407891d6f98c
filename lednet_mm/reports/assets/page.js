"use strict";
// Builds the page from sections, which consist of parts. The kind of a part determines the function that draws it.

const KINDS = { table: addTable, scatter: addScatter, lines: addLines, pictures: addPictures, facts: addFacts, list: addList };

function addPictures(section, set) {
  section.element.append(element("h3", {}, set.title));
  const columns = set.rows[0].length;
  for (const row of set.rows) {
    section.element.append(element("p", { class: "note" }, row[0].name));
    const grid = element("div", { class: "pictures" });
    grid.style.gridTemplateColumns = `repeat(${columns}, minmax(180px, 1fr))`;
    for (const picture of row) {
      const image = element("img", { src: picture.source, alt: `${picture.name}, ${picture.what}`, loading: "lazy" });
      grid.append(element("figure", {}, element("figcaption", {}, picture.what), image));
    }
    section.element.append(grid);
  }
  const legend = element("div", { class: "legend" });
  for (const [name, color] of set.legend) {
    const swatch = element("i");
    swatch.style.background = color;
    legend.append(element("span", {}, swatch, name));
  }
  section.element.append(legend, element("p", { class: "note" }, set.note));
}

function addFacts(section, { facts }) {
  section.element.append(element("div", { class: "facts" }, definitions(facts)));
}

function addList(section, { entries }) {
  const list = element("ul");
  entries.slice(0, 200).forEach(([path, remark]) => list.append(element("li", {}, element("code", {}, path), `: ${remark}`)));
  section.element.append(list);
}

function addSection({ name, heading, parts }) {
  const made = element("section", { id: name }, element("h2", {}, heading));
  document.getElementById("sections").append(made);
  document.getElementById("contents").append(element("a", { href: `#${name}` }, heading));
  for (const part of parts) KINDS[part.kind]({ name, heading, element: made }, part);
}

function chooseTheme() {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  let chosen = null;
  const apply = () => {
    root.dataset.theme = chosen ?? (system.matches ? "dark" : "light");
    report.redraw.forEach((draw) => draw());
  };
  system.addEventListener("change", apply);
  document.getElementById("theme").addEventListener("click", () => {
    chosen = root.dataset.theme === "dark" ? "light" : "dark";
    apply();
  });
  apply();
}

const { facts } = report.data;
const days = [facts.first, facts.last].map((date) => date.slice(0, 10));
const when = days[0] === days[1] ? days[0] : `${days[0]} to ${days[1]}`;
document.getElementById("facts").textContent =
  `${facts.records} records of ${when}. Click an underlined number to see where it comes from; published numbers have a source too.`;

const dialog = document.getElementById("dialog");
document.getElementById("dialog-close").addEventListener("click", () => dialog.close());
dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });

chooseTheme();
report.data.sections.forEach(addSection);
[...waiting.keys()].filter(isInWindow).forEach(buildWaiting);
Promise.all(report.built).then(() => {
  watchWaiting();
  document.documentElement.dataset.ready = "yes";
});
