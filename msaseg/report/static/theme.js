// Light or dark: as the system says, until the button is pressed; the choice is kept if the browser lets it.
"use strict";
const THEME = "msaseg-theme";
const dark = matchMedia("(prefers-color-scheme: dark)");

function keptTheme() {
  try { return localStorage.getItem(THEME); } catch { return null; }
}

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : dark.matches;
}

function themeChanged() {
  document.getElementById("theme").textContent = isDark() ? "Light" : "Dark";
  document.dispatchEvent(new Event("themechange"));
}

{
  const kept = keptTheme();
  if (kept === "dark" || kept === "light") document.documentElement.dataset.theme = kept;
  const button = document.getElementById("theme");
  button.hidden = false;
  button.addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    try { localStorage.setItem(THEME, document.documentElement.dataset.theme); } catch { /* it holds for this visit */ }
    themeChanged();
  });
  dark.addEventListener("change", themeChanged);
  themeChanged();
}
