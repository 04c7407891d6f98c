"use strict";
// Puts the page together.

function addPictures() {
  for (const set of report.data.pictures) {
    const place = section(set.name, `Predictions: ${set.dataset}`);
    const columns = set.rows[0].length;
    for (const row of set.rows) {
      place.append(element("p", { class: "note" }, row[0].name));
      const grid = element("div", { class: "pictures" });
      grid.style.gridTemplateColumns = `repeat(${columns}, minmax(180px, 1fr))`;
      for (const picture of row) {
        const image = element("img", { src: picture.source, alt: `${picture.name}, ${picture.what}`, loading: "lazy" });
        grid.append(element("figure", {}, element("figcaption", {}, picture.what), image));
      }
      place.append(grid);
    }
    const legend = element("div", { class: "legend" });
    for (const [name, color] of set.legend) {
      const swatch = element("i");
      swatch.style.background = color;
      legend.append(element("span", {}, swatch, name));
    }
    place.append(legend, element("p", { class: "note" }, set.note));
  }
}

function addLeftOut() {
  const problems = Object.entries(report.data.problems);
  if (!problems.length) return;
  const place = section("left-out", "Files left out");
  const list = element("ul");
  problems.slice(0, 200).forEach(([path, reason]) => list.append(element("li", {}, element("code", {}, path), `: ${reason}`)));
  place.append(list);
}

function chooseTheme() {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  let chosen = null;
  const apply = () => {
    root.dataset.theme = chosen ?? (system.matches ? "dark" : "light");
    report.draw?.();
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
  `${facts.records} records of ${when}. Underlined numbers tell where they come from. Published numbers have their own source.`;

const dialog = document.getElementById("dialog");
document.getElementById("dialog-close").addEventListener("click", () => dialog.close());
dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });

chooseTheme();
addTable("summary", "Results");
addPlot();
addTable("ablation", "Differences to the baseline");
addTable("class_summary", "IoU by class");
addTable("measures", "Calibration, boundaries, object sizes");
addTable("robustness", "Corrupted images");
addPictures();
addTable("latency", "Latency");
addTable("benchmarks", "Benchmarks");
addTable("published", "Measured and published");
addTable("failures", "Runs without a result");
addLeftOut();
Promise.all(report.built).then(() => { document.documentElement.dataset.ready = "yes"; });
