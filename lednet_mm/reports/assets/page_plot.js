"use strict";
// The interactive plot of accuracy against cost.

// Okabe and Ito's colours; the first is light enough for dark grounds too.
const COLORS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];
const STYLES = ["circle", "rect", "triangle", "rectRot", "star", "crossRot"];
const LABELS = 25;

function css(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function paretoFront(points, smaller) {
  const ordered = [...points].sort((a, b) => (smaller ? a.x - b.x : b.x - a.x) || b.y - a.y);
  let best = -Infinity;
  return ordered.filter((point) => point.y > best && ((best = point.y), true));
}

function nameOf(point) {
  return point.variant === "baseline" ? point.network : `${point.network}, ${point.variant.replaceAll("_", " ")}`;
}

// Names beside the points, none over another; standard deviations as bars.
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
      if (points.length > LABELS && !point.front) return;
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

function choices(label, options, selected) {
  const made = element("select", { "aria-label": label });
  options.forEach(([value, text]) => made.append(element("option", { value, ...(value === selected ? { selected: "" } : {}) }, text)));
  return made;
}

function addPlot() {
  const { axes, points } = report.data.tradeoff;
  if (!points.length || axes.length < 2) return;
  const place = section("tradeoff", "Accuracy against cost");
  const index = (key) => axes.findIndex((axis) => axis.key === key);
  const options = axes.map((axis, i) => [String(i), axis.label]);
  const first = ["fps_0", "params", "macs"].map(index).find((i) => i >= 0) ?? 1;
  const x = choices("horizontal axis", options, String(first));
  const y = choices("vertical axis", options, String(Math.max(0, index("miou_percent"))));
  const places = [...new Set(points.map((point) => point.place))];
  const where = choices("dataset", places.map((name) => [name, name]), places[0]);
  const log = element("input", { type: "checkbox" });
  const front = element("input", { type: "checkbox", checked: "" });
  const controls = element("div", { class: "controls" });
  for (const [text, input] of [["across", x], ["up", y], ["of", where], ["logarithmic", log], ["Pareto front", front]]) {
    controls.append(element("label", {}, text, input));
  }
  const canvas = element("canvas", { role: "img", "aria-label": "accuracy against cost; the table of results has the same numbers" });
  const note = element("p", { class: "note" });
  place.append(controls, element("div", { class: "plot" }, canvas), note);

  const networks = [...new Set(points.map((point) => point.network))].sort();
  const number = new Map(networks.map((name, i) => [name, i]));

  function chosen() {
    const [i, j] = [+x.value, +y.value];
    const found = points
      .filter((point) => point.place === where.value && point.values[i] !== null && point.values[j] !== null)
      .map((point) => ({ x: point.values[i], y: point.values[j], name: nameOf(point), point, i, j,
        bar: axes[j].key === "miou_percent" ? point.std : null }));
    const best = paretoFront(found, axes[i].smaller);
    best.forEach((p) => { p.front = true; });
    return [found, best];
  }

  function draw() {
    const [found, best] = chosen();
    const color = (p) => COLORS[number.get(p.point.network) % COLORS.length];
    const chart = report.chart;
    chart.data.datasets[0] = {
      label: "networks", data: found, pointRadius: found.length > LABELS ? 4 : 6, pointHoverRadius: 8, borderWidth: 2,
      pointStyle: found.map((p) => STYLES[Math.floor(number.get(p.point.network) / COLORS.length) % STYLES.length]),
      pointBorderColor: found.map(color),
      pointBackgroundColor: found.map((p) => (p.point.variant === "baseline" ? color(p) : css("--ground"))),
    };
    chart.data.datasets[1] = {
      label: "Pareto front", data: front.checked ? best.map((p) => ({ x: p.x, y: p.y })) : [], type: "line",
      borderColor: css("--soft"), borderDash: [5, 4], borderWidth: 1.2, pointRadius: 0, pointHitRadius: 0,
    };
    const [axisX, axisY] = [axes[+x.value], axes[+y.value]];
    for (const [name, axis] of [["x", axisX], ["y", axisY]]) {
      const scale = chart.options.scales[name];
      scale.title = { display: true, text: axis.label, color: css("--text") };
      scale.ticks = { color: css("--soft") };
      scale.grid = { color: css("--line") };
    }
    // Room for the bars, which Chart.js does not know of.
    chart.options.scales.y.suggestedMin = Math.min(...found.map((p) => p.y - (p.bar ?? 0)));
    chart.options.scales.y.suggestedMax = Math.max(...found.map((p) => p.y + (p.bar ?? 0)));
    const across = found.map((p) => p.x);
    const [least, most] = [Math.min(...across), Math.max(...across)];
    chart.options.scales.x.min = !log.checked && least >= 0 && least < 0.15 * (most - least) ? 0 : undefined;
    chart.options.scales.x.type = log.checked ? "logarithmic" : "linear";
    chart.update("none");
    const recipes = new Set(found.map((p) => p.point.recipe).filter(Boolean));
    const parts = [`${found.length} networks and variants.`, "Hollow: a variant of the network of that colour."];
    if (found.some((p) => p.bar !== null)) parts.push("Bars: standard deviation over seeds.");
    if (recipes.size > 1) parts.push(`Trained by ${recipes.size} different recipes: see the results.`);
    parts.push(axisX.smaller ? "Left and up is better." : "Right and up is better.", "A click on a point shows its records.");
    note.textContent = parts.join(" ");
  }

  report.chart = new Chart(canvas, {
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
        const { point, name, i, j } = report.chart.data.datasets[0].data[item.index];
        const numbers = [...new Set([j, i].flatMap((k) => point.sources[k] ?? point.accuracy))];
        showSources(name, numbers);
      },
    },
  });
  for (const input of [x, y, where, log, front]) input.addEventListener("change", draw);
  report.draw = draw;
  draw();
}
