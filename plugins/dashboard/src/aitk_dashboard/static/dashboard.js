// Keeps pages up to date and asks before changes. Everything works without it, but for the curves.
"use strict";

const connection = document.getElementById("connection");

function say(text) {
  if (connection && connection.textContent !== text) connection.textContent = text;
}

// Parts of a page that are fetched anew.
for (const part of document.querySelectorAll("[data-live]")) {
  const every = Number(part.dataset.every);
  let shown = null;
  async function refresh() {
    if (!document.hidden) {
      try {
        const answer = await fetch(part.dataset.live, { credentials: "same-origin" });
        if (answer.status === 401) { location.reload(); return; }
        const text = await answer.text();
        if (!answer.ok) throw new Error(answer.statusText);
        say("");
        // What somebody types in or points at stays as it is.
        const busy = part.contains(document.activeElement) && document.activeElement.matches("input, button, pre");
        if (text !== shown && !busy) {
          shown = text;
          const pre = part.querySelector("pre");
          const atEnd = !pre || pre.scrollTop + pre.clientHeight >= pre.scrollHeight - 4;
          part.innerHTML = text;
          const now = part.querySelector("pre");
          if (now && atEnd) now.scrollTop = now.scrollHeight;
          part.dispatchEvent(new CustomEvent("renewed", { bubbles: true }));
        }
      } catch {
        say("The server does not answer; this page is as it was.");
      }
    }
    setTimeout(refresh, every);
  }
  setTimeout(refresh, part.dataset.now ? 0 : every);
}

// Lines of the log that a finding quotes.
function markQuotes() {
  const quotes = [...document.querySelectorAll("#findings q")].map((each) => each.textContent).filter((text) => text.length > 3);
  for (const line of document.querySelectorAll("pre span")) {
    const text = line.textContent;
    line.classList.toggle("quoted", text !== "" && quotes.some((quote) => text.includes(quote) || quote.includes(text)));
  }
}
document.addEventListener("renewed", markQuotes);

// Changes are asked back here; without script the server asks.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches('form[action="/dashboard/actions"]') || form.elements.confirmed) return;
  event.preventDefault();
  const dialog = document.createElement("dialog");
  const question = document.createElement("p");
  question.textContent = `${form.querySelector("button").textContent}: ${form.elements.label.value}?`;
  const yes = document.createElement("button");
  yes.className = "strong";
  yes.textContent = form.querySelector("button").textContent;
  const no = document.createElement("button");
  no.textContent = "Go back";
  const row = document.createElement("div");
  row.className = "actions";
  row.append(yes, no);
  dialog.append(question, row);
  dialog.setAttribute("aria-label", "Confirm");
  document.body.append(dialog);
  no.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  yes.addEventListener("click", () => {
    const confirmed = document.createElement("input");
    confirmed.type = "hidden";
    confirmed.name = "confirmed";
    confirmed.value = "yes";
    form.append(confirmed);
    dialog.close();
    form.submit();
  });
  dialog.showModal();
});

// The sheet of samples, where there is one.
const sheet = document.getElementById("sheet");
if (sheet) {
  const note = document.getElementById("sheet-note");
  const load = async () => {
    try {
      const answer = await fetch(sheet.dataset.sheet, { credentials: "same-origin" });
      if (answer.ok) {
        const picture = URL.createObjectURL(await answer.blob());
        const before = sheet.src;
        sheet.src = picture;
        if (before.startsWith("blob:")) URL.revokeObjectURL(before);
        sheet.hidden = false;
        note.textContent = "";
      } else if (sheet.hidden) {
        note.textContent = "None yet.";
      }
    } catch { /* tried again */ }
    setTimeout(load, 30000);
  };
  load();
}

// Draws charts; large, so it comes when the page is on the screen.
function whenPlotly(then) {
  addEventListener("load", () => requestAnimationFrame(() => setTimeout(() => {
    const script = document.createElement("script");
    script.src = "/dashboard/static/plotly.min.js";
    script.addEventListener("load", then);
    document.head.append(script);
  })));
}

// The curves.
const chart = document.getElementById("chart");
if (chart) {
  const curves = {};
  const titles = {
    "loss/loss": "training loss", "val/loss": "validation loss", learning_rate: "learning rate",
    seconds_per_step: "seconds per step",
  };
  const axes = { "loss/loss": "y", "val/loss": "y2", learning_rate: "y3", seconds_per_step: "y4" };
  let drawn = false;

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  function marks() {
    const found = [];
    for (const card of document.querySelectorAll("#findings [data-steps]")) {
      for (const span of card.dataset.steps.trim().split(/\s+/)) {
        const [first, last] = span.split("-").map(Number);
        if (Number.isFinite(first) && Number.isFinite(last)) {
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

  function draw() {
    if (typeof Plotly === "undefined") return;
    const ink = colour("--ink"), line = colour("--line");
    const traces = Object.keys(axes).filter((key) => curves[key]).map((key) => ({
      x: curves[key].steps, y: curves[key].values, name: titles[key], yaxis: axes[key], xaxis: "x",
      mode: curves[key].steps.length > 60 ? "lines" : "lines+markers", line: { width: 1.5 }, marker: { size: 4 },
    }));
    const axis = { gridcolor: line, zerolinecolor: line };
    const layout = {
      height: 640, margin: { l: 64, r: 12, t: 8, b: 44 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: ink, size: 13 }, legend: { orientation: "h", y: 1.05 }, uirevision: "kept", shapes: marks(),
      xaxis: { ...axis, title: { text: "step" }, anchor: "y4" },
      yaxis: { ...axis, domain: [0.58, 1], title: { text: "loss" }, exponentformat: "e" },
      yaxis2: { ...axis, domain: [0.37, 0.54], title: { text: "val" }, exponentformat: "e" },
      yaxis3: { ...axis, domain: [0.185, 0.33], title: { text: "lr" }, exponentformat: "e" },
      yaxis4: { ...axis, domain: [0, 0.145], title: { text: "s/step" }, rangemode: "tozero" },
    };
    layout.modebar = { bgcolor: "rgba(0,0,0,0)", color: colour("--soft"), activecolor: ink };
    Plotly.react(chart, traces, layout, {
      responsive: true, displaylogo: false, displayModeBar: "hover",
      modeBarButtonsToRemove: ["toImage", "lasso2d", "select2d", "sendDataToCloud", "editInChartStudio"],
    });
    drawn = true;
    chart.dataset.drawn = String(traces.reduce((sum, each) => sum + each.x.length, 0));
  }

  function newest() {
    const steps = Object.values(curves).map((each) => each.steps[each.steps.length - 1]);
    return steps.length ? Math.min(...steps) : null;
  }

  async function load() {
    if (!document.hidden || !drawn) {
      try {
        const since = newest();
        const query = since === null ? "" : `?since=${since}`;
        const answer = await fetch(chart.dataset.series + query, { credentials: "same-origin" });
        if (answer.ok) {
          const more = await answer.json();
          let changed = !drawn;
          for (const [key, columns] of Object.entries(more)) {
            const kept = curves[key];
            if (!kept) { curves[key] = columns; changed = true; continue; }
            const last = kept.steps[kept.steps.length - 1];
            columns.steps.forEach((step, index) => {
              if (step > last) { kept.steps.push(step); kept.values.push(columns.values[index]); changed = true; }
            });
          }
          if (changed && Object.keys(curves).length) draw();
          if (!Object.keys(curves).length) document.getElementById("chart-note").textContent = "Nothing was recorded yet.";
        }
      } catch { /* tried again */ }
    }
    setTimeout(load, 1500);
  }
  document.addEventListener("renewed", () => { if (drawn) draw(); });
  whenPlotly(load);
}

// Curves of several runs.
const several = document.getElementById("curves-of");
if (several) {
  whenPlotly(async () => {
    const answer = await fetch(several.dataset.runs, { credentials: "same-origin" });
    if (!answer.ok || typeof Plotly === "undefined") return;
    const style = getComputedStyle(document.documentElement);
    const ink = style.getPropertyValue("--ink").trim(), line = style.getPropertyValue("--line").trim();
    const colours = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c564b", "#7f7f7f"];
    const traces = [];
    (await answer.json()).forEach((run, index) => {
      for (const [key, axis] of [["loss/loss", "y"], ["val/loss", "y2"]]) {
        const columns = run.series[key];
        if (!columns) continue;
        traces.push({
          x: columns.steps, y: columns.values, name: run.name, legendgroup: run.job_id, yaxis: axis, mode: "lines",
          showlegend: axis === "y", line: { width: axis === "y" ? 1 : 2, color: colours[index % colours.length] },
          opacity: axis === "y" ? 0.7 : 1,
        });
      }
    });
    const axis = { gridcolor: line, zerolinecolor: line, exponentformat: "e" };
    Plotly.react(several, traces, {
      height: 520, margin: { l: 64, r: 12, t: 8, b: 44 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: ink, size: 13 }, legend: { orientation: "h", y: 1.06 },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: style.getPropertyValue("--soft").trim(), activecolor: ink },
      xaxis: { ...axis, title: { text: "step" }, anchor: "y2" },
      yaxis: { ...axis, domain: [0.42, 1], title: { text: "loss" } },
      yaxis2: { ...axis, domain: [0, 0.36], title: { text: "val" } },
    }, { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["toImage", "lasso2d", "select2d"] });
    several.dataset.drawn = String(traces.length);
  });
}
