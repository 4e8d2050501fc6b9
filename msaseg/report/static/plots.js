// Draws every plot with the colours that the page has now, and again when these change.
"use strict";
const PRINT_WIDTH = 640;  // px; fits a page of A4 and of letter paper

// "@ink" is the colour of the style sheet's --ink, "@series0/0.2" that of --series0 with an opacity.
function coloured(value, probe) {
  if (typeof value === "string" && value.startsWith("@")) {
    const [name, opacity] = value.slice(1).split("/");
    probe.style.color = `var(--${name})`;
    const colour = getComputedStyle(probe).color;
    return opacity ? colour.replace("rgb(", "rgba(").replace(")", `, ${opacity})`) : colour;
  }
  if (Array.isArray(value)) return value.map((item) => coloured(item, probe));
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, coloured(item, probe)]));
  }
  return value;
}

function drawPlots(width) {
  const probe = document.body.appendChild(document.createElement("span"));
  const touch = matchMedia("(pointer: coarse)").matches;  // there a drag scrolls the page
  const config = { displaylogo: false, displayModeBar: false, responsive: true };
  for (const script of document.querySelectorAll("script[data-plot]")) {
    const figure = coloured(JSON.parse(script.textContent), probe);
    const layout = { ...figure.layout, ...(width ? { width, autosize: false } : {}), dragmode: touch ? false : "zoom" };
    const plot = document.getElementById(script.dataset.plot);
    delete plot.dataset.named;
    Plotly.react(plot, figure.data, layout, config).then(namePoints);
  }
  probe.remove();
}

// Plotly lies in the page compressed: a third of the size.
async function loadPlotly() {
  const packed = Uint8Array.from(atob(document.getElementById("plotly").textContent), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const script = document.createElement("script");
  script.textContent = await new Response(stream).text();
  document.head.append(script);
}

loadPlotly().then(() => {
  drawPlots();
  for (const plot of document.querySelectorAll(".plot")) plot.on("plotly_afterplot", () => namePoints(plot));
  document.addEventListener("themechange", () => drawPlots());
  addEventListener("beforeprint", () => {
    document.documentElement.classList.add("printing");
    drawPlots(PRINT_WIDTH);
  });
  addEventListener("afterprint", () => {
    document.documentElement.classList.remove("printing");
    drawPlots();
  });
});
