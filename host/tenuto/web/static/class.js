// SPDX-License-Identifier: MIT
// The page Class: fetches the part that changes, as long as somebody looks.

const place = document.getElementById("class");
const start = document.getElementById("class-start");
const connection = document.getElementById("connection");
const EVERY_MS = 1000;
let before = "";

async function look() {
  try {
    const answer = await fetch(place.dataset.now, { signal: AbortSignal.timeout(10 * EVERY_MS) });
    if (answer.status === 401) location.reload();
    if (!answer.ok) throw new Error(answer.statusText);
    show(await answer.text());
    connection.hidden = true;
  } catch {
    connection.hidden = false;
  }
}

function show(html) {
  if (html === before) return;
  before = html;
  // Whoever is at a button stays there.
  const button = place.contains(document.activeElement) ? document.activeElement : null;
  const [value, label] = [button?.value, button?.getAttribute("aria-label")];
  place.innerHTML = html;
  if (button) {
    [...place.querySelectorAll("button")]
      .find((one) => one.value === value && one.getAttribute("aria-label") === label)?.focus();
  }
  const state = place.querySelector("[data-state]").dataset.state;
  start.hidden = ["ready", "playing", "paused"].includes(state);
}

async function loop() {
  if (document.visibilityState === "visible") await look();
  setTimeout(loop, EVERY_MS);
}
loop();
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") look();
});
