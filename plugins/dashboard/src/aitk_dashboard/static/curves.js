// The curves, drawn by Plotly; a page without a chart does not fetch it.
import { get } from "./live.js";

const TITLES = {
  "loss/loss": "training loss", "val/loss": "validation loss", learning_rate: "learning rate",
  seconds_per_step: "seconds per step",
};
const AXES = { "loss/loss": "y", "val/loss": "y2", learning_rate: "y3", seconds_per_step: "y4" };
const RUN_COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c564b", "#7f7f7f"];
const BUTTONS = ["toImage", "lasso2d", "select2d"];

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const axis = () => ({ gridcolor: colour("--line"), zerolinecolor: colour("--line"), exponentformat: "e" });

function layout(height, more) {
  return {
    height, margin: { l: 64, r: 12, t: 8, b: 44 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: colour("--ink"), size: 13 }, legend: { orientation: "h", y: 1.05 }, uirevision: "kept",
    modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("--soft"), activecolor: colour("--ink") }, ...more,
  };
}

const options = { responsive: true, displaylogo: false, displayModeBar: "hover", modeBarButtonsToRemove: BUTTONS };

// Large, so it comes when the page is on the screen.
function whenPlotly(then) {
  const begin = () => requestAnimationFrame(() => setTimeout(() => {
    const script = document.createElement("script");
    script.src = "/dashboard/static/plotly.min.js";
    script.addEventListener("load", then);
    document.head.append(script);
  }));
  if (document.readyState === "complete") begin();
  else addEventListener("load", begin);
}

function evidence() {
  const found = [];
  for (const card of document.querySelectorAll("#findings [data-steps]")) {
    for (const span of card.dataset.steps.trim().split(/\s+/)) {
      const [first, last] = span.split("-").map(Number);
      if (span && Number.isFinite(first) && Number.isFinite(last)) {
        found.push({
          type: "rect", xref: "x", yref: "paper", y0: 0, y1: 1, x0: first - 0.5, x1: last + 0.5, line: { width: 0 },
          fillcolor: colour(card.dataset.severity === "critical" ? "--critical" : "--warning"), opacity: 0.12,
          name: card.dataset.code,
        });
      }
    }
  }
  return found;
}

// A run that blew up would press the rest of its curve flat.
function scaleOf(columns) {
  const values = (columns?.values ?? []).filter((value) => value !== null).sort((a, b) => a - b);
  const middle = values[Math.floor(values.length / 2)];
  return values.length && values[0] > 0 && values[values.length - 1] > 100 * middle ? "log" : "linear";
}

function ofOneRun(chart) {
  const curves = {};
  let drawn = false;

  function draw() {
    if (typeof Plotly === "undefined") return;
    const traces = Object.keys(AXES).filter((key) => curves[key]).map((key) => ({
      x: curves[key].steps, y: curves[key].values, name: TITLES[key], yaxis: AXES[key], xaxis: "x",
      mode: curves[key].steps.length > 60 ? "lines" : "lines+markers", line: { width: 1.5 }, marker: { size: 4 },
    }));
    Plotly.react(chart, traces, layout(640, {
      shapes: evidence(),
      xaxis: { ...axis(), title: { text: "step" }, anchor: "y4", exponentformat: "none" },
      yaxis: { ...axis(), domain: [0.58, 1], title: { text: "loss" }, type: scaleOf(curves["loss/loss"]) },
      yaxis2: { ...axis(), domain: [0.37, 0.54], title: { text: "val" }, type: scaleOf(curves["val/loss"]) },
      yaxis3: { ...axis(), domain: [0.185, 0.33], title: { text: "lr" }, rangemode: "tozero" },
      yaxis4: { ...axis(), domain: [0, 0.145], title: { text: "s/step" }, rangemode: "tozero" },
    }), options);
    drawn = true;
    chart.dataset.drawn = String(traces.reduce((sum, each) => sum + each.x.length, 0));
  }

  function newest() {
    const steps = Object.values(curves).map((each) => each.steps[each.steps.length - 1]);
    return steps.length ? Math.min(...steps) : null;
  }

  // Returns whether there is something new; the server says what it has after the least known step.
  function take(more) {
    let changed = !drawn;
    for (const [key, columns] of Object.entries(more)) {
      const kept = curves[key];
      if (!kept) { curves[key] = columns; changed = true; continue; }
      const last = kept.steps[kept.steps.length - 1];
      columns.steps.forEach((step, index) => {
        if (step > last) { kept.steps.push(step); kept.values.push(columns.values[index]); changed = true; }
      });
    }
    return changed;
  }

  async function load() {
    if (!document.hidden || !drawn) {
      try {
        const since = newest();
        const answer = await get(chart.dataset.series + (since === null ? "" : `?since=${since}`));
        if (answer.ok) {
          const changed = take(await answer.json());
          if (!Object.keys(curves).length) document.getElementById("chart-note").textContent = "Nothing was recorded yet.";
          else if (changed) draw();
        }
      } catch { /* tried again */ }
    }
    setTimeout(load, 1500);
  }
  document.addEventListener("renewed", (event) => { if (drawn && event.target.id === "findings") draw(); });
  whenPlotly(load);
}

function ofSeveralRuns(chart) {
  whenPlotly(async () => {
    const answer = await get(chart.dataset.runs);
    if (!answer.ok || typeof Plotly === "undefined") return;
    const traces = [];
    (await answer.json()).forEach((run, index) => {
      for (const [key, yaxis] of [["loss/loss", "y"], ["val/loss", "y2"]]) {
        const columns = run.series[key];
        if (!columns) continue;
        traces.push({
          x: columns.steps, y: columns.values, name: run.name, legendgroup: run.job_id, yaxis, mode: "lines",
          showlegend: yaxis === "y", line: { width: yaxis === "y" ? 1 : 2, color: RUN_COLOURS[index % RUN_COLOURS.length] },
          opacity: yaxis === "y" ? 0.7 : 1,
        });
      }
    });
    Plotly.react(chart, traces, layout(520, {
      xaxis: { ...axis(), title: { text: "step" }, anchor: "y2", exponentformat: "none" },
      yaxis: { ...axis(), domain: [0.42, 1], title: { text: "loss" } },
      yaxis2: { ...axis(), domain: [0, 0.36], title: { text: "val" } },
    }), options);
    chart.dataset.drawn = String(traces.length);
  });
}

export function drawCurves() {
  const one = document.getElementById("chart");
  if (one) ofOneRun(one);
  const several = document.getElementById("curves-of");
  if (several) ofSeveralRuns(several);
}
