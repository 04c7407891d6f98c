"use strict";
// Tables, and the dialog that says where a number comes from.

const report = { data: JSON.parse(document.getElementById("data").textContent), tables: {}, built: [], chart: null };

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

// ---- where numbers come from ----

function record(number) {
  const { fields, rows, strings } = report.data.sources;
  const found = Object.fromEntries(fields.map((name, i) => [name, rows[number][i]]));
  const interned = ["folder", "run", "date", "commit", "device", "precision", "command", "versions", "config", "checkpoint", "data"];
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
  const list = element("dl");
  for (const [name, value] of facts) {
    if (value) list.append(element("dt", {}, name), element("dd", {}, value));
  }
  return element("div", { class: "record" }, element("strong", {}, `${r.run}${seed}`), list);
}

function openDialog(title, ...content) {
  document.getElementById("dialog-title").textContent = title;
  document.getElementById("dialog-body").replaceChildren(...content);
  document.getElementById("dialog").showModal();
}

function showSources(title, numbers) {
  const many = numbers.length > 1 ? [element("p", { class: "note" }, `Computed from ${numbers.length} records.`)] : [];
  openDialog(title, ...many, ...numbers.map(recordEntry));
}

// ---- cells ----

// Tabulator takes titles, cells and the entries of lists for HTML, unless they are elements.
function asText(words) {
  return element("span", {}, words);
}

const WORDS = { better: "better", worse: "worse" };

function cell(table, column, i) {
  return (shown) => {
    const row = table.rows[shown.getData().id];
    const text = row.texts[i];
    const classes = [row.best.includes(i) ? "best" : "", WORDS[text.split(" ")[0]] ?? ""].join(" ").trim();
    const numbers = column.source === null ? [] : row.sources[column.source];
    if (!text || !numbers.length) return element("span", { class: classes }, text);
    const title = `${row.texts.slice(0, 2).join(", ")}: ${column.header} ${text}`;
    const open = () => showSources(title, numbers);
    return element("button", { class: `sourced ${classes}`, type: "button", title: "where this comes from", onclick: open }, text);
  };
}

// Lines of IoU between dark (0) and full accent (100) behind the class table's numbers.
function shaded(table, column, i) {
  const plain = cell(table, column, i);
  return (shown) => {
    const value = table.rows[shown.getData().id].values[i];
    if (value !== null) {
      shown.getElement().style.background = `color-mix(in srgb, var(--accent) ${Math.round(value * 0.55)}%, transparent)`;
    }
    return plain(shown);
  };
}

function forest(table, indices, limit) {
  const scale = (value) => 75 + (73 * value) / limit;
  return (shown) => {
    const row = table.rows[shown.getData().id];
    const [middle, text] = [row.values[indices.difference], row.texts[indices.low]];
    if (middle === null || !text) return "";
    const [low, high] = text.split(" to ").map(Number);
    const color = low > 0 ? "var(--good)" : high < 0 ? "var(--bad)" : "var(--soft)";
    const ns = "http://www.w3.org/2000/svg";
    const svg = document.createElementNS(ns, "svg");
    svg.setAttribute("class", "forest");
    svg.setAttribute("viewBox", "0 0 150 18");
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", `${middle}, from ${low} to ${high}`);
    const draw = (tag, attributes) => {
      const part = document.createElementNS(ns, tag);
      for (const [name, value] of Object.entries(attributes)) part.setAttribute(name, value);
      svg.append(part);
    };
    draw("line", { x1: 75, x2: 75, y1: 0, y2: 18, stroke: "var(--line)" });
    // One seed: an interval over images alone, which knows nothing of other seeds.
    const single = row.values[indices.seeds] === 1;
    const dots = single ? { "stroke-dasharray": "2 3" } : {};
    draw("line", { x1: scale(low), x2: scale(high), y1: 9, y2: 9, stroke: color, "stroke-width": 2, ...dots });
    draw("circle", { cx: scale(middle), cy: 9, r: 4, fill: single ? "var(--ground)" : color, stroke: color });
    return svg;
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

// A word that is the same in every row is said once, below the title, instead of in a column.
const NAMES = ["network", "variant", "verdict", "reason", "published_as"];

function constant(table, column, i) {
  const same = new Set(table.rows.map((row) => row.values[i])).size === 1;
  return same && !column.numeric && !NAMES.includes(column.key);
}

// Estimated from the texts: measuring every column would lay the page out once a column.
function width(table, column, i) {
  const text = Math.max(...table.rows.map((row) => row.texts[i].length));
  const words = Math.max(...column.header.split(" ").map((word) => word.length));
  const header = Math.max(words, Math.min(18, Math.ceil(column.header.length / 2) + 1)); // broken into lines
  return Math.round(Math.min(340, 32 + 7.6 * Math.max(6, text, header)));
}

function definition(name, table, column, i) {
  const words = [...new Set(table.rows.map((row) => row.values[i]).filter((v) => v !== null))];
  const few = !column.numeric && words.length > 1 && words.length <= 12;
  const long = !column.numeric && words.some((word) => word.length > 40);
  const named = { elementAttributes: { "aria-label": `filter ${column.header}` } };
  const filter = column.numeric
    ? { headerFilter: "input", headerFilterPlaceholder: "≥", headerFilterFunc: matches, headerFilterParams: named }
    : few && !long
      ? { headerFilter: "list", headerFilterParams: { values: ["", ...words.sort()], clearable: true, itemFormatter: asText, ...named } }
      : { headerFilter: "input", headerFilterPlaceholder: "contains", headerFilterParams: named };
  const heat = name === "class_summary" && column.numeric && column.key !== "seeds";
  return {
    title: "",
    titleFormatter: () => asText(column.header),
    field: `c${i}`,
    hozAlign: column.numeric ? "right" : "left",
    headerHozAlign: column.numeric ? "right" : "left",
    sorter: column.numeric ? "number" : "alphanum",
    sorterParams: { alignEmptyValues: "bottom" },
    headerSortStartingDir: column.numeric ? "desc" : "asc",
    formatter: (heat ? shaded : cell)(table, column, i),
    frozen: column.key === "network",
    width: width(table, column, i),
    visible: !constant(table, column, i),
    variableHeight: long,
    ...(words.length > 1 || column.numeric ? filter : {}),
  };
}

// ---- sections ----

function section(name, title) {
  const made = element("section", { id: name }, element("h2", {}, title));
  document.getElementById("sections").append(made);
  document.getElementById("contents").append(element("a", { href: `#${name}` }, title));
  return made;
}

function download(name, table) {
  // A spreadsheet would compute what begins so; a number may be negative.
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

function addTable(name, title) {
  const table = report.data.tables[name];
  if (!table) return;
  const place = section(name, title);
  const count = element("span", { class: "count", "aria-live": "polite" });
  const search = element("input", { type: "search", placeholder: "search all columns", "aria-label": `search ${title}` });
  const save = element("button", { type: "button", onclick: () => download(name, table) }, "CSV of what is shown");
  const target = element("div");
  const same = table.columns
    .map((column, i) => [column, i])
    .filter(([column, i]) => constant(table, column, i))
    .map(([column, i]) => [column.header, table.rows[0].texts[i]])
    .map(([header, text]) => (header === text ? text : `${header} ${text}`));
  if (same.length) place.append(element("p", { class: "note" }, `In all rows: ${same.join("; ")}.`));
  place.append(element("div", { class: "controls" }, search, save, count), target);
  table.notes.forEach((note) => place.append(element("p", { class: "note" }, note)));

  const columns = table.columns.map((column, i) => definition(name, table, column, i));
  if (name === "ablation") addForest(table, columns);
  if (name === "failures") addLogs(table, columns);
  const rows = table.rows.map((row, id) => ({ id, ...Object.fromEntries(row.values.map((v, i) => [`c${i}`, v])) }));
  const made = new Tabulator(target, {
    data: rows,
    columns,
    columnDefaults: { headerWordWrap: true },
    layout: "fitDataFill",
    // A height makes the table virtual: only the rows in sight are in the document.
    ...(rows.length > 18 ? { height: "min(70vh, 640px)" } : {}),
    placeholder: "nothing matches",
  });
  const tell = (active) => { count.textContent = active === rows.length ? `${active} rows` : `${active} of ${rows.length} rows`; };
  made.on("dataFiltered", (filters, active) => tell(active.length));
  report.built.push(new Promise((done) => made.on("tableBuilt", () => done(tell(rows.length)))));
  search.addEventListener("input", () => {
    const wanted = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    if (!wanted.length) made.clearFilter();
    else made.setFilter((row) => wanted.every((word) => table.rows[row.id].texts.some((text) => text.toLowerCase().includes(word))));
  });
  report.tables[name] = made;
}

function addForest(table, columns) {
  const at = (key) => table.columns.findIndex((column) => column.key === key);
  const indices = { difference: at("difference_points"), low: at("low_points"), seeds: at("seeds") };
  if (indices.low < 0) return;
  const ends = table.rows.flatMap((row) => row.texts[indices.low].split(" to ").map((text) => Math.abs(Number(text))));
  const limit = Math.max(0.1, ...ends.filter(Number.isFinite));
  const column = { title: "", titleFormatter: () => asText(`±${limit.toPrecision(2)} points`), formatter: forest(table, indices, limit), width: 170, headerSort: false };
  columns.splice(indices.low + 1, 0, column);
}

function addLogs(table, columns) {
  const open = (id) => openDialog(table.rows[id].texts.slice(0, 4).join(", "), element("pre", {}, table.rows[id].log.join("\n")));
  columns.push({
    title: "log",
    headerSort: false,
    formatter: (shown) => {
      const { id } = shown.getData();
      return table.rows[id].log.length ? element("button", { class: "sourced", type: "button", onclick: () => open(id) }, "end of the log") : "";
    },
  });
}
