// Before the first paint: the theme that was chosen here, if any; otherwise the system's stays.
"use strict";
try {
  const chosen = localStorage.getItem("theme");
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
} catch {
  // Storage may be forbidden; then a choice lasts as long as the page.
}
