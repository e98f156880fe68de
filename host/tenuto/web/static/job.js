// SPDX-License-Identifier: MIT
// What takes longer: its lines as they come.

const job = document.getElementById("job");
const form = document.getElementById("answer");
const [line, send, end] = form.querySelectorAll("label, button");

function show(asks, over) {
  line.hidden = send.hidden = !asks;
  end.hidden = over;
  if (asks) line.querySelector("input").focus();
}

show("asks" in job.dataset, "over" in job.dataset);
const source = new EventSource(job.dataset.events);
source.addEventListener("job", (message) => {
  const { number, html, asks, over } = JSON.parse(message.data);
  if (String(number) !== job.dataset.number) return;
  job.innerHTML = html;
  show(asks, over);
});
