// SPDX-License-Identifier: MIT
// A lesson, a quiz or a measurement of strength: keys are answers, and what comes is shown.

import { say } from "./app.js";

const measure = document.getElementById("measure");
const buttons = [...document.querySelectorAll("[data-key]")];

document.addEventListener("keydown", (event) => {
  if (event.repeat || event.ctrlKey || event.altKey || event.metaKey || event.key === "Escape") return;
  const button = buttons.find((one) => one.dataset.key === event.key)
    ?? (event.key === "Tab" ? undefined : buttons.find((one) => one.dataset.key === "*"));
  if (!button) return;
  event.preventDefault();
  button.click();
});

// The names in turn, for as long as a press of the wearable's button chooses each of them.
let turn = [];
function showInTurn() {
  turn.forEach(clearTimeout);
  const names = [...document.querySelectorAll("[data-choice]")];
  const mark = (number) => names.forEach((one, at) => one.toggleAttribute("data-on", at === number));
  const first = Number(measure.dataset.first), each = Number(measure.dataset.each);
  turn = [setTimeout(mark, 0, 0)];
  for (let number = 1; number <= names.length; number += 1) {
    turn.push(setTimeout(mark, first + (number - 1) * each, number));
  }
}

const source = new EventSource(measure.dataset.events);
source.addEventListener("measure", (message) => {
  const { number, cue, turn: isTurn, text, to } = JSON.parse(message.data);
  if (String(number) !== measure.dataset.number) return;
  if (cue) document.getElementById("cue").textContent = cue;
  if (isTurn) showInTurn();
  if (text) say(text);
  if (to) leave(() => location.assign(to));
});
// What ended before this page listened.
source.addEventListener("job", (message) => {
  const job = JSON.parse(message.data);
  if (String(job.number) === measure.dataset.number && job.over) leave(() => location.reload());
});

function leave(go) {
  source.close();
  go();
}
