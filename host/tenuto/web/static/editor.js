// SPDX-License-Identifier: MIT
// The editor: the score changes the text and the text the score. The host makes each change in
// the text, so that comments survive, and says what is wrong as `tenuto routines check` does.

import { say, send } from "./app.js";

const editor = document.querySelector(".editor");
const score = document.getElementById("score");
const text = document.getElementById("text");
const undo = document.getElementById("undo");
const before = []; // texts, the oldest first
const BEFORE_MAX = 100;
let shown = text.value;

// One after the other: each starts from the text that the one before has left.
let last = Promise.resolve();
let underWay = 0;
function change(asked) {
  underWay += 1;
  last = last.then(() => make(asked)).finally(() => { underWay -= 1; });
  return last;
}

async function make(asked) {
  const was = text.value;
  const said = await send(editor.dataset.change, {
    text: was, change: JSON.stringify(asked),
  });
  if (!said.ok) return;
  if (text.value !== was) return make(asked); // somebody typed meanwhile
  if (said.toml !== was) remember(was);
  text.value = shown = said.toml;
  const active = document.activeElement;
  const focus = active?.closest("[data-exercise]")?.dataset.exercise;
  const path = active?.dataset.path;
  const typed = active?.value !== active?.defaultValue ? active?.value : undefined;
  score.innerHTML = said.html;
  lay();
  if (focus === undefined || !path) return;
  const again = score.querySelector(`[data-exercise="${focus}"] [data-path="${path}"]`);
  again?.focus();
  if (!again || typed === undefined || again.tagName !== "INPUT") return;
  // What was being typed; the browser tells of no change of it that a script has made.
  again.value = typed;
  again.addEventListener("blur", () => set(again, again.value), { once: true });
}

function remember(was) {
  before.push(was);
  if (before.length > BEFORE_MAX) before.shift();
  undo.disabled = false;
}

undo.addEventListener("click", () => {
  text.value = before.pop() ?? text.value;
  undo.disabled = before.length === 0;
  change({});
});

const numberOf = (element) => Number(element.closest("[data-exercise]").dataset.exercise);
const pathOf = (element) => element.dataset.path.split(".");
const set = (element, value) => change({
  what: "set", exercise: numberOf(element), path: pathOf(element), value,
});

score.addEventListener("change", (event) => {
  if (event.target.dataset.path) set(event.target, event.target.value);
});
score.addEventListener("click", (event) => {
  const { move, remove } = event.target.dataset;
  if (move !== undefined) change({ what: "move", exercise: numberOf(event.target), to: Number(move) });
  if (remove !== undefined) change({ what: "remove", exercise: numberOf(event.target) });
});
score.addEventListener("submit", (event) => {
  event.preventDefault();
  event.stopPropagation();
  const name = new FormData(event.target).get("name");
  change({ what: "add", name });
});

// --- the edge of a hold is dragged, or moved by the arrow keys

// The longest one fits on a phone too.
const BESIDE_PX = 60;
let fit = 1;
const scale = (bar) => bar.dataset.pxPerMs * fit;
const widen = (bar, ms) => { bar.querySelector(".block").style.width = `${ms * scale(bar)}px`; };
function lay() {
  const bars = [...score.querySelectorAll(".bar-edit")];
  const widest = Math.max(...bars.map((bar) => bar.dataset.ms * bar.dataset.pxPerMs));
  fit = Math.min(1, (score.clientWidth - BESIDE_PX) / widest);
  for (const bar of bars) widen(bar, bar.dataset.ms);
}
lay();
addEventListener("resize", lay);

function label(bar, ms) {
  widen(bar, ms);
  bar.querySelector(".length b").textContent = `${ms / 1000} s`;
  bar.querySelector(".handle").setAttribute("aria-valuenow", ms / 1000);
}

score.addEventListener("pointerdown", (event) => {
  const handle = event.target.closest(".handle");
  if (!handle) return;
  event.preventDefault();
  handle.focus();
  handle.setPointerCapture(event.pointerId);
  const bar = handle.closest(".bar-edit");
  const from = event.clientX, ms = Number(bar.dataset.ms);
  let now = ms;
  const drag = (moved) => {
    now = Math.max(1000, Math.round((ms + (moved.clientX - from) / scale(bar)) / 1000) * 1000);
    label(bar, now);
  };
  const drop = () => {
    handle.removeEventListener("pointermove", drag);
    if (now !== ms) set(handle, now / 1000);
  };
  handle.addEventListener("pointermove", drag);
  handle.addEventListener("lostpointercapture", drop, { once: true });
});

const STEPS = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 5, PageDown: -5 };
score.addEventListener("keydown", (event) => {
  const handle = event.target.closest(".handle");
  if (!handle || !(event.key in STEPS)) return;
  event.preventDefault();
  const bar = handle.closest(".bar-edit");
  const ms = Math.max(1000, Number(bar.dataset.ms) + STEPS[event.key] * 1000);
  bar.dataset.ms = ms;
  label(bar, ms);
  set(handle, ms / 1000);
});

// --- the text, a moment after the last letter

let waiting = 0;
text.addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(() => {
    if (text.value === shown) return;
    remember(shown);
    change({});
  }, 400);
});

let isSaving = false;
text.form.addEventListener("submit", (event) => {
  if (underWay === 0) {
    isSaving = true;
    return;
  }
  // What was changed last is saved too.
  event.preventDefault();
  event.stopPropagation();
  last.then(() => text.form.requestSubmit(event.submitter));
});
const saved = text.defaultValue;
addEventListener("beforeunload", (event) => {
  if (!isSaving && text.value !== saved) event.preventDefault();
});
say(document.getElementById("told").textContent);
