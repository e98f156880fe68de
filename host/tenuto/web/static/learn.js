// SPDX-License-Identifier: MIT
// The cues on this phone, where its browser can vibrate.

import { say } from "./app.js";

const phone = document.getElementById("phone");

if ("vibrate" in navigator) {
  phone.textContent = "A phone has one strength: what is light on the wearable is as strong as the rest here. "
    + "Where nothing is felt, the device has no motor, or its settings keep it still.";
  for (const button of document.querySelectorAll("[data-vibrate]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const isTaken = navigator.vibrate(button.dataset.vibrate.split(",").map(Number));
      say(isTaken ? "" : "The browser did not vibrate.", !isTaken);
    });
  }
} else {
  phone.textContent = "This browser cannot vibrate, as all on iPhones and Firefox cannot. "
    + "Chrome and its relatives on Android can.";
}
