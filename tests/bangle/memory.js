// SPDX-License-Identifier: MIT
// How many of Espruino's variables a program keeps, by the rules of its source; see memory.py.

// A variable has 14 bytes: 4 of data, three references of 14 bits, the count of references, flags.
var __NAME = 4, __STRING = 9, __MORE = 10, __BLOCK = 14, __FLAT_FROM = __STRING + __MORE;

var __readArrayBuffer = __storage.readArrayBuffer;
__storage.readArrayBuffer = function (name) {
  var a = __readArrayBuffer(name);
  if (a) a.__isFlash = true;
  return a;
};

function __moreThan(length, first) { return Math.max(0, Math.ceil((length - first) / __MORE)); }

// A place for a value with a name: a variable, a property, an element of an array.
function __slot(name, value, seen) {
  var number = /^\d+$/.test(name);
  var n = 1 + (number ? 0 : __moreThan(name.length, __NAME));
  var isShort = number || name.length <= __NAME;
  if (Number.isInteger(value) && Math.abs(value) < 8192 && isShort) return n; // it lies in the name
  if (typeof value == "boolean" && number) return n;
  return n + __value(value, seen);
}

function __value(value, seen) {
  if (value === undefined) return 0;
  if (value === null || typeof value == "number" || typeof value == "boolean") return 1;
  if (typeof value == "string") {
    // One variable and more; as one block where that takes less.
    return value.length <= __FLAT_FROM ? 1 + __moreThan(value.length, __STRING) : 1 + Math.ceil(value.length / __BLOCK);
  }
  if (seen.indexOf(value) >= 0) return 0;
  seen.push(value);
  if (value === __storage) return 1;
  if (typeof value == "function") {
    if (("" + value).indexOf("__") >= 0) return 1; // the watch's own
    var head = ("" + value).match(/^(?:function[^(]*)?\(?([\w, ]*)\)?\s*(?:=>|\{)/);
    var parameters = head && head[1].trim() ? head[1].split(",") : [];
    var n = 1;
    parameters.forEach(function (name) { n += 1 + __moreThan(name.trim().length + 1, __NAME); });
    return n + 2 + 1; // its code, which stays in the flash, and its scope, each with a name
  }
  if (value instanceof ArrayBuffer) return 2 + (value.__isFlash ? 0 : Math.ceil(value.byteLength / __BLOCK));
  if (ArrayBuffer.isView(value)) {
    var view = value instanceof DataView ? 4 : 1; // an object of three properties, or a view
    return view + __value(value.buffer, seen);
  }
  var sum = 1;
  Object.keys(value).forEach(function (key) { sum += __slot(key, value[key], seen); });
  return sum;
}

// What there is besides what was there before, and what waits for an event.
function __variables(before) {
  var seen = [], n = 0;
  Object.keys(global).forEach(function (name) {
    if (before.indexOf(name) < 0 && name.indexOf("__") != 0) n += __slot(name, global[name], seen);
  });
  Object.keys(__handlers).forEach(function (name) { n += 2 + __value(__handlers[name], seen); });
  __timers.forEach(function (timer) { n += 6 + __value(timer.f, seen); }); // time, interval, callback
  return n + 6 + __value(__watch, seen); // pin, edge, repeat, debounce, callback
}
