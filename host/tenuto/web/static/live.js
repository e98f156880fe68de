// SPDX-License-Identifier: MIT
// The page Now: takes what happens from one event stream, and moves bars by the absolute times.

const wearables = document.getElementById("wearables");
const glances = document.getElementById("glances");
const connection = document.getElementById("connection");
const CUES_MAX = 8;
// The host's clock, as it was told last and as it passes since.
let clock = { told: Date.now(), here: performance.now(), speed: 1 };
const hostNow = () => clock.told + (performance.now() - clock.here) * clock.speed;

const card = (id) => document.getElementById(`wearable-${id}`);

function take(event, use) {
  source.addEventListener(event, (message) => use(JSON.parse(message.data)));
}

const source = new EventSource(wearables.dataset.events);
source.addEventListener("open", () => { connection.hidden = true; });
source.addEventListener("error", () => { connection.hidden = false; });

take("wearable", ({ id, html, glance, now, speed }) => {
  clock = { told: now, here: performance.now(), speed };
  const item = document.getElementById(`glance-${id}`) ?? glances.appendChild(
    Object.assign(document.createElement("li"), { id: `glance-${id}` }));
  const isFocused = item.contains(document.activeElement);
  item.innerHTML = glance;
  if (isFocused) item.firstElementChild.focus();
  let place = card(id);
  if (!place) {
    place = document.createElement("section");
    place.className = "card wearable";
    place.id = `wearable-${id}`;
    place.setAttribute("aria-label", id);
    wearables.append(place);
  }
  const focus = place.contains(document.activeElement) ? document.activeElement.value : null;
  const chosen = place.querySelector("select")?.value;
  place.innerHTML = html;
  const select = place.querySelector("select");
  if (select && chosen) select.value = chosen;
  if (focus) [...place.querySelectorAll("button")].find((one) => one.value === focus)?.focus();
  place.dispatchEvent(new CustomEvent("tenuto:changed", { bubbles: true }));
  keepAwake();
});

take("gone", ({ id }) => {
  card(id)?.remove();
  document.getElementById(`glance-${id}`)?.remove();
});

take("heart", ({ id, bpm }) => {
  const shown = card(id)?.querySelector(".bpm");
  if (shown) shown.textContent = bpm ?? "";
});

// One that turns out not to be felt comes with its whole card.
take("cue", ({ id, text }) => {
  const list = card(id)?.querySelector(".cues");
  if (!list) return;
  const item = document.createElement("li");
  item.textContent = text;
  list.append(item);
  while (list.children.length > CUES_MAX) list.firstChild.remove();
});

// --- what moves

function draw() {
  const now = hostNow();
  for (const bar of document.querySelectorAll(".bar")) {
    const { from, to, at } = bar.dataset;
    const share = to ? Math.min(1, Math.max(0, (now - from) / (to - from))) : (at ?? 0) / 100;
    bar.firstElementChild.style.transform = `scaleX(${share})`;
    if (bar.hasAttribute("role")) bar.setAttribute("aria-valuenow", Math.round(share * 100));
  }
  for (const left of document.querySelectorAll(".seconds[data-to]")) {
    const { to, since } = left.dataset;
    if (!to && !since) continue;
    // A hold that a press ends counts up.
    const seconds = Math.max(0, to ? Math.ceil((to - now) / 1000) : Math.floor((now - since) / 1000));
    const text = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
    if (left.textContent !== text) left.textContent = text;
  }
  for (const strip of document.querySelectorAll(".strip")) {
    const { from, to } = strip.dataset;
    if (!to) continue;
    const marker = strip.querySelector(".marker") ?? strip.appendChild(
      Object.assign(document.createElement("span"), { className: "marker" }));
    marker.style.left = `${Math.min(100, Math.max(0, (100 * (now - from)) / (to - from)))}%`;
  }
}

const calm = matchMedia("(prefers-reduced-motion: reduce)");
function loop() {
  draw();
  if (calm.matches) setTimeout(loop, 500);
  else requestAnimationFrame(loop);
}
loop();

// --- the screen stays on while a session goes on

let lock = null;
async function keepAwake() {
  const wanted = document.querySelector("[data-escape]") !== null && document.visibilityState === "visible";
  if (!wanted) {
    lock?.release();
    lock = null;
  } else if (!lock && navigator.wakeLock) {
    try {
      lock = await navigator.wakeLock.request("screen");
      lock.addEventListener("release", () => { lock = null; });
    } catch { /* a low battery forbids it */ }
  }
}
document.addEventListener("visibilitychange", keepAwake);
keepAwake();
