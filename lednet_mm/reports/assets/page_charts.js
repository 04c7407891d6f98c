"use strict";
// Interactive plots: points with selectable axes, and lines.

// If there are more points, only those on the Pareto front are labelled.
const MAX_LABELS = 25;

// The markers of Chart.js that correspond to Matplotlib's, with their rotation in degrees.
const MARKERS = {
  o: ["circle", 0], s: ["rect", 0], "^": ["triangle", 0], D: ["rectRot", 0], v: ["triangle", 180], "<": ["triangle", 270], ">": ["triangle", 90],
};

function css(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function paretoFront(points, smaller) {
  const ordered = [...points].sort((a, b) => (smaller ? a.x - b.x : b.x - a.x) || b.y - a.y);
  let best = -Infinity;
  return ordered.filter((point) => point.y > best && ((best = point.y), true));
}

// Draws names beside the points, without overlaps, and standard deviations as bars.
const marks = {
  id: "marks",
  afterDatasetsDraw(chart) {
    if (!chart.data.datasets.length) return; // before the first drawing
    const { ctx, chartArea: area } = chart;
    const { y: scale } = chart.scales;
    const points = chart.data.datasets[0].data;
    const drawn = chart.getDatasetMeta(0).data;
    ctx.save();
    ctx.strokeStyle = css("--soft");
    ctx.fillStyle = css("--text");
    ctx.font = "12px system-ui, sans-serif";
    ctx.textBaseline = "middle";
    const taken = drawn.map((mark) => [mark.x - 6, mark.y - 6, mark.x + 6, mark.y + 6]);
    points.forEach((point, i) => {
      if (point.bar === null) return;
      const { x } = drawn[i];
      ctx.beginPath();
      ctx.moveTo(x, scale.getPixelForValue(point.y - point.bar));
      ctx.lineTo(x, scale.getPixelForValue(point.y + point.bar));
      ctx.stroke();
    });
    points.forEach((point, i) => {
      if (points.length > MAX_LABELS && !point.front) return;
      const { x, y } = drawn[i];
      const width = ctx.measureText(point.name).width;
      const places = [[9, 0], [-9 - width, 0], [-width / 2, -14], [-width / 2, 14], [9, -14], [9, 14]];
      for (const [dx, dy] of places) {
        const box = [x + dx, y + dy - 7, x + dx + width, y + dy + 7];
        const inside = box[0] > area.left && box[2] < area.right && box[1] > area.top && box[3] < area.bottom;
        const over = taken.some((t, k) => k !== i && t[0] < box[2] && t[2] > box[0] && t[1] < box[3] && t[3] > box[1]);
        if (!inside || over) continue;
        taken.push(box);
        ctx.fillText(point.name, box[0], y + dy);
        break;
      }
    });
    ctx.restore();
  },
};

// A plot is drawn again when the theme changes.
function drawWhenNear(canvas, size, draw) {
  buildWhenNear(canvas, size, () => {
    draw();
    report.redraw.push(draw);
  });
}

function choices(label, options, selected) {
  const made = element("select", { "aria-label": label });
  options.forEach(([value, text]) => made.append(element("option", { value, ...(value === selected ? { selected: "" } : {}) }, text)));
  return made;
}

function scaleTitle(scale, text) {
  scale.title = { display: true, text, color: css("--text") };
  scale.ticks = { color: css("--soft") };
  scale.grid = { color: css("--line") };
}

function addScatter(section, { axes, points, across, up }) {
  const options = axes.map((axis, i) => [String(i), axis.label]);
  const x = choices("horizontal axis", options, String(across));
  const y = choices("vertical axis", options, String(up));
  const places = [...new Set(points.map((point) => point.place))];
  const where = choices("dataset", places.map((name) => [name, name]), places[0]);
  const log = element("input", { type: "checkbox" });
  const front = element("input", { type: "checkbox", checked: "" });
  const controls = element("div", { class: "controls" });
  for (const [text, input] of [["across", x], ["up", y], ["of", where], ["logarithmic", log], ["Pareto front", front]]) {
    controls.append(element("label", {}, text, input));
  }
  const canvas = element("canvas", { role: "img", "aria-label": `${section.heading}; the table of results has the same numbers` });
  const note = element("p", { class: "note" });
  section.element.append(controls, element("div", { class: "plot" }, canvas), note);

  function chosen() {
    const [i, j] = [+x.value, +y.value];
    const found = points
      .filter((point) => point.place === where.value && point.values[i] !== null && point.values[j] !== null)
      .map((point) => ({ x: point.values[i], y: point.values[j], name: point.name, point, i, j, bar: point.bars[j] ?? null }));
    const best = paretoFront(found, axes[i].smaller);
    best.forEach((p) => { p.front = true; });
    return [found, best];
  }

  function draw() {
    const [found, best] = chosen();
    chart.data.datasets[0] = {
      label: "networks", data: found, pointRadius: found.length > MAX_LABELS ? 4 : 6, pointHoverRadius: 8, borderWidth: 2,
      pointStyle: found.map((p) => MARKERS[p.point.marker][0]),
      pointRotation: found.map((p) => MARKERS[p.point.marker][1]),
      pointBorderColor: found.map((p) => p.point.color),
      pointBackgroundColor: found.map((p) => (p.point.hollow ? css("--ground") : p.point.color)),
    };
    chart.data.datasets[1] = {
      label: "Pareto front", data: front.checked ? best.map((p) => ({ x: p.x, y: p.y })) : [], type: "line",
      borderColor: css("--soft"), borderDash: [5, 4], borderWidth: 1.2, pointRadius: 0, pointHitRadius: 0,
    };
    const [axisX, axisY] = [axes[+x.value], axes[+y.value]];
    scaleTitle(chart.options.scales.x, axisX.label);
    scaleTitle(chart.options.scales.y, axisY.label);
    // Leave room for the bars, which Chart.js does not know.
    chart.options.scales.y.suggestedMin = Math.min(...found.map((p) => p.y - (p.bar ?? 0)));
    chart.options.scales.y.suggestedMax = Math.max(...found.map((p) => p.y + (p.bar ?? 0)));
    const xs = found.map((p) => p.x);
    const [least, most] = [Math.min(...xs), Math.max(...xs)];
    chart.options.scales.x.min = !log.checked && least >= 0 && least < 0.15 * (most - least) ? 0 : undefined;
    chart.options.scales.x.type = log.checked ? "logarithmic" : "linear";
    chart.update("none");
    const recipes = new Set(found.map((p) => p.point.recipe).filter(Boolean));
    const parts = [`${found.length} networks and variants.`];
    if (found.some((p) => p.point.hollow)) parts.push("Hollow: a variant of the network of that colour.");
    if (found.some((p) => p.bar !== null)) parts.push("Bars: standard deviation over seeds.");
    if (recipes.size > 1) parts.push(`Trained with ${recipes.size} different recipes: see the results.`);
    parts.push(axisX.smaller ? "Left and up is better." : "Right and up is better.", "A click on a point shows its sources.");
    note.textContent = parts.join(" ");
  }

  const chart = new Chart(canvas, {
    type: "scatter",
    data: { datasets: [] },
    plugins: [marks],
    options: {
      animation: false,
      maintainAspectRatio: false,
      scales: { x: { type: "linear", grace: "8%" }, y: { type: "linear", grace: "8%" } },
      plugins: {
        legend: { display: false },
        tooltip: {
          filter: (item) => item.datasetIndex === 0,
          callbacks: {
            label: ({ raw }) => [
              raw.name,
              `${axes[raw.i].label}: ${+raw.x.toPrecision(5)}`,
              `${axes[raw.j].label}: ${+raw.y.toPrecision(5)}${raw.bar === null ? "" : ` ± ${+raw.bar.toPrecision(3)}`}`,
              `${raw.point.seeds} seed${raw.point.seeds === 1 ? "" : "s"}`,
            ],
          },
        },
      },
      onClick: (event, hit) => {
        const item = hit.find((one) => one.datasetIndex === 0);
        if (!item) return;
        const { point, name, i, j } = chart.data.datasets[0].data[item.index];
        const numbers = [...new Set([j, i].flatMap((k) => point.sources[k]))];
        showSources(name, numbers, [...new Set([j, i].map((k) => point.cites[k]).filter(Boolean))]);
      },
    },
  });
  for (const input of [x, y, where, log, front]) input.addEventListener("change", draw);
  report.charts[section.name] = chart;
  drawWhenNear(canvas, points.length, draw);
}

function addLines(section, { x, y, groups }) {
  const where = choices("shown", groups.map((group, i) => [String(i), group.name]), "0");
  if (groups.length > 1) section.element.append(element("div", { class: "controls" }, element("label", {}, "of", where)));
  const canvas = element("canvas", { role: "img", "aria-label": section.heading });
  const note = element("p", { class: "note" });
  section.element.append(element("div", { class: "plot" }, canvas), note);

  function draw() {
    const { lines } = groups[+where.value];
    const bands = lines.flatMap((line, i) => {
      // The lower end, and the upper end with the area between them filled; neither is in the legend.
      const ends = [2, 3].map((k) => ({
        label: "", data: line.points.map((p) => ({ x: p[0], y: p[k] })), owner: i, borderWidth: 0, pointRadius: 0, pointHitRadius: 0,
        backgroundColor: `${line.color}22`,
      }));
      return line.seeds > 1 ? [ends[0], { ...ends[1], fill: "-1" }] : [];
    });
    const drawn = lines.map((line, i) => ({
      label: line.name, data: line.points.map((p) => ({ x: p[0], y: p[1], low: p[2], high: p[3] })), line, owner: i,
      borderColor: line.color, borderDash: line.dashes, borderWidth: 2, pointRadius: 4, pointHoverRadius: 7,
      pointStyle: MARKERS[line.marker][0], pointRotation: MARKERS[line.marker][1],
      pointBackgroundColor: line.hollow ? css("--ground") : line.color,
    }));
    chart.data.datasets = [...bands, ...drawn];
    scaleTitle(chart.options.scales.x, x);
    scaleTitle(chart.options.scales.y, y);
    chart.options.plugins.legend.labels.color = css("--text");
    chart.update("none");
    const band = lines.some((line) => line.seeds > 1) ? "Line: mean over seeds; band: from the lowest to the highest. " : "";
    note.textContent = `${band}A click on a name hides its line; a click on a point shows its records.`;
  }

  const chart = new Chart(canvas, {
    type: "line",
    data: { datasets: [] },
    options: {
      animation: false,
      maintainAspectRatio: false,
      scales: { x: { type: "linear" }, y: { type: "linear" } },
      plugins: {
        legend: {
          position: "bottom",
          labels: {
            usePointStyle: true,
            pointStyleWidth: 34,
            filter: (item, data) => Boolean(data.datasets[item.datasetIndex].line),
            generateLabels: (of) => Chart.defaults.plugins.legend.labels.generateLabels(of).map((item) => {
              const { borderColor, borderDash } = of.data.datasets[item.datasetIndex];
              return { ...item, pointStyle: "line", rotation: 0, lineWidth: 2, strokeStyle: borderColor, lineDash: borderDash };
            }),
          },
          onClick: (event, item, legend) => {
            const { datasets } = legend.chart.data;
            const { owner } = datasets[item.datasetIndex];
            const hide = legend.chart.isDatasetVisible(item.datasetIndex);
            datasets.forEach((set, i) => { if (set.owner === owner) legend.chart.setDatasetVisibility(i, !hide); });
            legend.chart.update();
          },
        },
        tooltip: {
          filter: (item) => Boolean(item.dataset.line),
          callbacks: {
            title: ([item]) => (item ? `${x} ${item.parsed.x}` : ""),
            label: ({ raw, dataset }) => {
              const range = dataset.line.seeds > 1 ? ` (${+raw.low.toPrecision(4)} to ${+raw.high.toPrecision(4)})` : "";
              return `${dataset.label}: ${+raw.y.toPrecision(4)}${range}`;
            },
          },
        },
      },
      onClick: (event, hit) => {
        const item = hit.map((one) => chart.data.datasets[one.datasetIndex]).find((set) => set.line);
        if (item) showSources(item.label, item.line.sources);
      },
    },
  });
  where.addEventListener("change", draw);
  report.charts[section.name] = chart;
  drawWhenNear(canvas, groups.flatMap((group) => group.lines.flatMap((line) => line.points)).length, draw);
}
