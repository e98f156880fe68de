// SPDX-License-Identifier: MIT
// The cues on this phone, where its browser can vibrate.

import { say } from "./app.js";

const phone = document.getElementById("phone");

if ("vibrate" in navigator && !matchMedia("(any-pointer: coarse)").matches) {
  phone.textContent = "To feel the cues on a phone, open this page there: tenuto web --link makes the link.";
} else if ("vibrate" in navigator) {
  phone.textContent = "On a phone all buzzes have one strength, also those that are light on the wearable. "
    + "If you feel nothing, the settings of the phone keep it from vibrating.";
  for (const button of document.querySelectorAll("[data-vibrate]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const isTaken = navigator.vibrate(button.dataset.vibrate.split(",").map(Number));
      say(isTaken ? "" : "The browser did not vibrate.", !isTaken);
    });
  }
} else {
  phone.textContent = "This browser cannot vibrate: Firefox and all browsers on iPhones cannot. Chrome on Android can.";
}
