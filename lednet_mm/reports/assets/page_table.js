"use strict";
// Tables that can be sorted, filtered and searched.

// ---- cells ----

// Tabulator interprets titles, cells and list entries as HTML, unless they are elements.
function asText(words) {
  return element("span", {}, words);
}

const LOOKS = { plain: cell, verdict, heat, interval, log };

function cell(table, column, i, more = "") {
  return (shown) => {
    const row = table.rows[shown.getData().id];
    const text = row.texts[i];
    const classes = [row.best.includes(i) ? "best" : "", more].join(" ").trim();
    const numbers = column.source === null ? [] : row.sources[column.source];
    const citation = column.cite === null ? null : row.cites[column.cite];
    if (!text || !(numbers.length || citation)) return element("span", { class: classes }, text);
    const title = `${row.texts.slice(0, 2).join(", ")}: ${column.header} ${text}`;
    const open = () => showSources(title, numbers, citation ? [citation] : []);
    return element("button", { class: `sourced ${classes}`, type: "button", title: "where this comes from", onclick: open }, text);
  };
}

// "better", "worse" and any other verdict have a colour each.
function verdict(table, column, i) {
  return (shown) => {
    const word = table.rows[shown.getData().id].texts[i].split(" ")[0];
    return cell(table, column, i, ["better", "worse"].includes(word) ? word : "")(shown);
  };
}

// A percentage on a background from transparent (0) to the accent colour (100).
function heat(table, column, i) {
  const plain = cell(table, column, i);
  return (shown) => {
    const value = table.rows[shown.getData().id].values[i];
    if (value !== null) {
      shown.getElement().style.background = `color-mix(in srgb, var(--accent) ${Math.round(value * 0.55)}%, transparent)`;
    }
    return plain(shown);
  };
}

function log(table, column, i) {
  return (shown) => {
    const row = table.rows[shown.getData().id];
    const lines = row.extras[i];
    if (!lines) return "";
    const open = () => openDialog(row.texts.slice(0, 4).join(", "), element("pre", {}, lines.join("\n")));
    return element("button", { class: "sourced", type: "button", onclick: open }, row.texts[i]);
  };
}

// ---- intervals ----

const SVG = "http://www.w3.org/2000/svg";

function limitOf(table, i) {
  const ends = table.rows.flatMap((row) => (row.extras[i] ?? []).slice(0, 3).map(Math.abs));
  return Math.max(0.1, ...ends);
}

function drawing(limit, [middle, low, high, dotted]) {
  const scale = (value) => 75 + (70 * value) / limit;
  const color = low > 0 ? "var(--good)" : high < 0 ? "var(--bad)" : "var(--soft)";
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "interval");
  svg.setAttribute("viewBox", "0 0 150 18");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `${middle}, from ${low} to ${high}`);
  const draw = (tag, attributes) => {
    const part = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) part.setAttribute(name, value);
    svg.append(part);
  };
  draw("line", { x1: 75, x2: 75, y1: 0, y2: 18, stroke: "var(--line)" });
  const dots = dotted ? { "stroke-dasharray": "2 3" } : {};
  draw("line", { x1: scale(low), x2: scale(high), y1: 9, y2: 9, stroke: color, "stroke-width": 2, ...dots });
  draw("circle", { cx: scale(middle), cy: 9, r: 4, fill: dotted ? "var(--ground)" : color, stroke: color });
  return svg;
}

// The interval in words; its drawing is in a column of its own, see `drawnColumn`.
function interval(table, column, i) {
  return cell(table, column, i);
}

function drawnColumn(table, i) {
  const limit = limitOf(table, i);
  return {
    title: "",
    titleFormatter: () => asText(`±${limit.toPrecision(2)}`),
    formatter: (shown) => {
      const drawn = table.rows[shown.getData().id].extras[i];
      return drawn ? drawing(limit, drawn) : "";
    },
    width: 170,
    headerSort: false,
  };
}

// ---- filters ----

// "60", ">= 60", "< 5" or "10 to 20".
function matches(wanted, value) {
  const range = wanted.match(/^\s*(-?[\d.]+)\s*(?:to|\.\.)\s*(-?[\d.]+)\s*$/);
  if (range) return value !== null && value >= +range[1] && value <= +range[2];
  const compared = wanted.match(/^\s*(<=|>=|<|>|=)?\s*(-?[\d.]+)\s*$/);
  if (!compared) return true;
  if (value === null) return false;
  const limit = +compared[2];
  switch (compared[1]) {
    case "<": return value < limit;
    case "<=": return value <= limit;
    case ">": return value > limit;
    case "=": return value === limit;
    default: return value >= limit;
  }
}

// If all rows have the same word in a column, it is shown once below the title instead.
function constant(table, column, i) {
  const same = new Set(table.rows.map((row) => row.values[i])).size === 1;
  return same && !column.numeric && !column.always && column.look === "plain";
}

// The width is estimated from the texts, because measuring would lay out the page once for every column.
function width(table, column, i) {
  const text = Math.max(...table.rows.map((row) => row.texts[i].length));
  const words = Math.max(...column.header.split(" ").map((word) => word.length));
  const header = Math.max(words, Math.min(18, Math.ceil(column.header.length / 2) + 1)); // broken into lines
  return Math.round(Math.min(340, 32 + 7.6 * Math.max(6, text, header)));
}

function definition(table, column, i) {
  const words = [...new Set(table.rows.map((row) => row.values[i]).filter((v) => v !== null))];
  const few = !column.numeric && words.length > 1 && words.length <= 12;
  const long = !column.numeric && words.some((word) => word.length > 40);
  const named = { elementAttributes: { "aria-label": `filter ${column.header}` } };
  const filter = column.numeric
    ? { headerFilter: "input", headerFilterPlaceholder: "≥", headerFilterFunc: matches, headerFilterParams: named }
    : few && !long
      ? { headerFilter: "list", headerFilterParams: { values: ["", ...words.sort()], clearable: true, itemFormatter: asText, ...named } }
      : { headerFilter: "input", headerFilterPlaceholder: "contains", headerFilterParams: named };
  return {
    title: "",
    titleFormatter: () => asText(column.header),
    field: `c${i}`,
    hozAlign: column.numeric ? "right" : "left",
    headerHozAlign: column.numeric ? "right" : "left",
    sorter: column.numeric ? "number" : "alphanum",
    sorterParams: { alignEmptyValues: "bottom" },
    headerSortStartingDir: column.numeric ? "desc" : "asc",
    formatter: LOOKS[column.look](table, column, i),
    frozen: column.pinned,
    width: width(table, column, i),
    visible: !constant(table, column, i),
    variableHeight: long,
    cssClass: long && column.cite === null ? "words" : "", // a citation is shown when it is opened
    headerSort: column.look !== "log",
    ...(column.look !== "log" && (words.length > 1 || column.numeric) ? filter : {}),
  };
}

// ---- the table ----

const TALL = "min(70vh, 640px)";

function download(name, table) {
  // A spreadsheet would compute text that begins like this; numbers may be negative.
  const plain = (value) => (typeof value === "string" && /^[=+\-@]/.test(value) ? `'${value}` : String(value ?? ""));
  const quote = (value) => `"${plain(value).replaceAll('"', '""')}"`;
  const shown = report.tables[name].getData("active");
  const lines = [table.columns.map((c) => quote(c.header)), ...shown.map((row) => table.columns.map((c, i) => quote(row[`c${i}`])))];
  const link = element("a", {
    href: URL.createObjectURL(new Blob([lines.map((line) => line.join(",")).join("\n")], { type: "text/csv" })),
    download: `${name}.csv`,
  });
  link.click();
}

function addTable(place, table) {
  const { name } = table;
  const count = element("span", { class: "count", "aria-live": "polite" });
  const search = element("input", { type: "search", placeholder: "search all columns", "aria-label": `search ${place.heading}` });
  const save = element("button", { type: "button", onclick: () => download(name, table) }, "CSV of the shown rows");
  const target = element("div");
  const same = table.columns
    .map((column, i) => [column, i])
    .filter(([column, i]) => constant(table, column, i))
    .map(([column, i]) => [column.header, table.rows[0].texts[i]])
    .map(([header, text]) => (header === text ? text : `${header} ${text}`));
  if (same.length) place.element.append(element("p", { class: "note" }, `In all rows: ${same.join("; ")}.`));
  place.element.append(element("div", { class: "controls" }, search, save, count), target);
  table.notes.forEach((note) => place.element.append(element("p", { class: "note" }, note)));

  const build = () => {
    const columns = table.columns.flatMap((column, i) =>
      [definition(table, column, i), ...(column.look === "interval" ? [drawnColumn(table, i)] : [])]);
    const rows = table.rows.map((row, id) => ({ id, ...Object.fromEntries(row.values.map((v, i) => [`c${i}`, v])) }));
    const made = new Tabulator(target, {
      data: rows,
      columns,
      columnDefaults: { headerWordWrap: true },
      layout: "fitDataFill",
      // With a height, the table is virtual: only visible rows are in the document.
      ...(rows.length > 18 ? { height: TALL } : {}),
      placeholder: "nothing matches",
    });
    const tell = (active) => {
      const all = `${rows.length} row${rows.length === 1 ? "" : "s"}`;
      count.textContent = active === rows.length ? all : `${active} of ${all}`;
    };
    made.on("dataFiltered", (filters, active) => tell(active.length));
    report.built.push(new Promise((done) => made.on("tableBuilt", () => done(tell(rows.length)))));
    search.addEventListener("input", () => {
      const wanted = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      if (!wanted.length) made.clearFilter();
      else made.setFilter((row) => wanted.every((word) => table.rows[row.id].texts.some((text) => text.toLowerCase().includes(word))));
    });
    report.tables[name] = made;
  };
  if (table.rows.length > MANY) target.style.minHeight = TALL; // the page keeps its length when the table is built
  buildWhenNear(target, table.rows.length, build);
}
