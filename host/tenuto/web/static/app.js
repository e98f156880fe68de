// SPDX-License-Identifier: MIT
// What every page needs: forms that stay on the page, and the page Now, which moves.

const told = document.getElementById("told");
const key = document.body.dataset.key;

// What went well goes away by itself; what did not stays until something else is said.
const GOOD_MS = 10_000;
let fading = 0;
export function say(text, bad) {
  clearTimeout(fading);
  told.textContent = text;
  told.toggleAttribute("data-bad", Boolean(bad));
  if (text && !bad) fading = setTimeout(() => say(""), GOOD_MS);
}

// A form sends what the button says and shows the answer in place; without this script the same
// form reloads the page.
export async function send(action, fields) {
  const body = new URLSearchParams(fields);
  try {
    const answer = await fetch(action, {
      method: "POST", body, headers: { Accept: "application/json", "X-Tenuto-Key": key },
    });
    if (answer.status === 401) location.reload();
    const said = await answer.json();
    say(said.text || "", !said.ok);
    return said;
  } catch {
    say("Tenuto does not answer.", true);
    return { ok: false };
  }
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (form.method !== "post" || form.hasAttribute("data-plain")) return;
  event.preventDefault();
  const fields = new FormData(form, event.submitter);
  fields.delete("key");
  form.setAttribute("aria-busy", "true");
  const said = await send(form.getAttribute("action"), fields);
  form.removeAttribute("aria-busy");
  if (said.ok && said.to) location.assign(said.to);
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const button of document.querySelectorAll("[data-escape]")) button.click();
});

if (document.getElementById("wearables")) import("./live.js");
if (document.getElementById("class")) import("./class.js");
if (document.getElementById("job")) import("./job.js");
if (document.querySelector(".editor")) import("./editor.js");
if (document.getElementById("measure")) import("./measure.js");
if (document.getElementById("learn")) import("./learn.js");

// A mistake leads to its line.
document.addEventListener("click", (event) => {
  const line = event.target.dataset?.line;
  const text = document.getElementById("text");
  if (!line || !text) return;
  event.preventDefault();
  const lines = text.value.split("\n");
  const start = lines.slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
  text.focus();
  text.setSelectionRange(start, start + (lines[line - 1] ?? "").length);
});
