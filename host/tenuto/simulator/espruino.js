// SPDX-License-Identifier: MIT
// What a Bangle.js 2 with Espruino 2v29 offers to a program, as far as Tenuto's uses it, in QuickJS.
// The owner of the engine calls what begins with two underscores; see espruino.py.
var global = globalThis;
var __t = 0; // ms since the power came
var __wall = 0; // what the wall clock is ahead of that, in ms
var __timers = [], __timerId = 0, __pinWrites = [], __motor = 0;
var __console = "", __edges = [], __load, __line = "", __isProgrammable = true;
var __handlers = {}, __watch, __drops = false, __connected = false, __peer = "", __address = "c0:00:00:00:00:01";
var __files = {}, __freeBytes = 4e6, __trashBytes = 0, __compactions = 0, __hrm = {}, __modules = {}, __lock = false;

// --- time and timers
function getTime() { return (__t + __wall) / 1000; }
function setTime(s) { __wall = s * 1000 - __t; }
function setTimeout(f, ms) {
  __timers.push({ id: ++__timerId, at: __t + Math.max(0, ms || 0), f: f });
  return __timerId;
}
function setInterval(f, ms) {
  __timers.push({ id: ++__timerId, at: __t + ms, f: f, every: ms });
  return __timerId;
}
function clearTimeout(id) { __timers = __timers.filter(function (x) { return x.id != id; }); }
var clearInterval = clearTimeout;
function __first(list) {
  var best;
  list.forEach(function (x) { if (!best || x.at < best.at || (x.at == best.at && x.id < best.id)) best = x; });
  return best;
}
function __due() {
  var a = __first(__timers), b = __first(__pinWrites);
  return Math.min(a ? a.at : Infinity, b ? b.at : Infinity);
}
// Let time pass; it ends early where a program asks for another one.
function __run(to) {
  while (__load === undefined) {
    var a = __first(__timers), b = __first(__pinWrites);
    if (b && b.at <= to && (!a || b.at <= a.at)) {
      __pinWrites.splice(__pinWrites.indexOf(b), 1);
      __t = Math.max(__t, b.at);
      __pin(b.value);
    } else if (a && a.at <= to) {
      __t = Math.max(__t, a.at);
      if (a.every) a.at += a.every; else __timers.splice(__timers.indexOf(a), 1);
      __call(a.f);
    } else break;
  }
  if (__load === undefined) __t = Math.max(__t, to);
}
function __call(f, x) {
  try { return f(x); } catch (e) { __console += "Uncaught " + e + "\r\n"; }
}

// --- pins
function Pin(name) { this.name = name; }
Pin.prototype.writeAtTime = function (value, s) {
  __pinWrites.push({ at: s * 1000 - __wall, value: value, id: ++__timerId });
};
var VIBRATE = new Pin("VIBRATE"), BTN1 = new Pin("BTN1"), BTN = BTN1;
function __pin(value) {
  value = value ? 1 : 0;
  if (value != __motor) { __motor = value; __edges.push([__t, value]); }
}
function digitalWrite(pin, value) { if (pin === VIBRATE) __pin(value); }
function setWatch(f) { __watch = f; return 1; }
function __button(down) { if (__watch) __call(__watch, { state: !!down, time: getTime() }); }

// --- bytes
var E = {
  toString: function (a) {
    if (a instanceof ArrayBuffer) a = new Uint8Array(a);
    for (var o = "", i = 0; i < a.length; i++) o += String.fromCharCode(a[i]);
    return o;
  },
  toUint8Array: function (s) {
    for (var u = new Uint8Array(s.length), i = 0; i < s.length; i++) u[i] = s.charCodeAt(i);
    return u;
  },
  CRC32: function (s) {
    for (var c = -1, i = 0; i < s.length; i++) c = c >>> 8 ^ __crc[(c ^ s.charCodeAt(i)) & 255];
    return ~c;
  },
  hwRand: function () { return __random(); },
  getBattery: function () { return 90; },
  on: __on,
  showMessage: function () {},
};
var __crc = new Int32Array(256).map(function (_, n) {
  for (var k = 0; k < 8; k++) n = n >>> 1 ^ (0xEDB88320 & -(n & 1));
  return n;
});
var __base64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
function btoa(s) {
  for (var o = "", i = 0; i < s.length; i += 3) {
    var n = s.charCodeAt(i) << 16 | s.charCodeAt(i + 1) << 8 | s.charCodeAt(i + 2);
    o += __base64[n >> 18] + __base64[n >> 12 & 63];
    o += (i + 1 < s.length ? __base64[n >> 6 & 63] : "=") + (i + 2 < s.length ? __base64[n & 63] : "=");
  }
  return o;
}
function atob(s) {
  for (var o = "", b = 0, n = 0, i = 0; i < s.length; i++) {
    var k = __base64.indexOf(s[i]);
    if (k < 0) break;
    b = b << 6 | k;
    n += 6;
    if (n >= 8) { n -= 8; o += String.fromCharCode(b >> n & 255); }
  }
  return o;
}

// --- flash: a bit goes from 1 to 0 only, and what is replaced is free again after a compaction only
var __storage = {
  read: function (name, offset, length) {
    var f = __files[name];
    if (f === undefined || offset === undefined) return f;
    return length === undefined ? f.substr(offset) : f.substr(offset, length);
  },
  readArrayBuffer: function (name) {
    return __files[name] === undefined ? undefined : E.toUint8Array(__files[name]).buffer;
  },
  readJSON: function (name) {
    try { return JSON.parse(__files[name]); } catch (e) { return undefined; }
  },
  writeJSON: function (name, x) { return __storage.write(name, JSON.stringify(x)); },
  erase: function (name) {
    if (__files[name] !== undefined) __trashBytes += __files[name].length + 32;
    delete __files[name];
  },
  getStats: function () { return { freeBytes: __freeBytes, trashBytes: __trashBytes }; },
  compact: function () { __freeBytes += __trashBytes; __trashBytes = 0; __compactions++; },
  list: function () { return Object.keys(__files); },
  getFree: function () { return __freeBytes; },
  write: function (name, data, offset, size) {
    if (typeof data != "string") throw "Can't get pointer to data to write";
    if (name.length > 28) throw "File name too long";
    var old = __files[name], at = offset || 0, i;
    if (!at && (old === undefined || old.length != size)) {
      size = size || data.length;
      if (size + 32 > __freeBytes) __storage.compact();
      if (size + 32 > __freeBytes) return false;
      __storage.erase(name);
      __freeBytes -= size + 32;
      old = __files[name] = "\xff".repeat(size);
    }
    if (at + data.length > old.length) throw "Too much data for file size";
    for (i = 0; i < data.length; i++) {
      if (data.charCodeAt(i) & ~old.charCodeAt(at + i)) throw "Flash: bits go from 1 to 0 only";
    }
    __files[name] = old.substr(0, at) + data + old.substr(at + data.length);
    return true;
  },
};
function require(name) {
  if (name == "Storage") return __storage;
  if (name == "crypto") return {
    SHA256: function (s) {
      return E.toUint8Array(atob(__sha256(btoa(s)))).buffer;
    },
  };
  if (__modules[name]) return __modules[name];
  if (__files[name] !== undefined) {
    var exports = __modules[name] = {};
    new Function("exports", "module", __files[name])(exports, {});
    return exports;
  }
  throw "Module " + name + " not found";
}

// --- events and the watch
function __on(name, f) { (__handlers[name] = __handlers[name] || []).push(f); }
function __emit(name, x) { (__handlers[name] || []).forEach(function (f) { __call(f, x); }); }
var NRF = {
  on: __on,
  disconnect: function () { if (__connected) __drops = true; },
  getAddress: function () { return __address + " random"; },
  getSecurityStatus: function () {
    return __connected ? { connected: true, connected_addr: __peer } : { connected: false };
  },
};
var Bluetooth = {
  println: function (s) { if (__connected) __console += s + "\r\n"; },
};
var Bangle = {
  on: __on,
  setHRMPower: function (on, app) { if (on) __hrm[app] = 1; else delete __hrm[app]; },
  isHRMOn: function () { return Object.keys(__hrm).length > 0; },
  setUI: function () {},
  isLocked: function () { return __lock; },
  isLCDOn: function () { return true; },
  loadWidgets: function () {},
  drawWidgets: function () {},
  showClock: function () { load(); },
};
var process = { version: "2v29.74", env: { VERSION: "2v29.74", BOARD: "BANGLEJS2" } };
function load(name) { __load = name || ""; }
var __screen = [];
var g = { theme: { fg: 0, bg: 65535 }, getWidth: function () { return 176; }, getHeight: function () { return 176; },
  wrapString: function (s) { return [s]; }, stringWidth: function (s) { return 8 * s.length; } };
["clear", "reset", "setFont", "setFontAlign", "setColor", "setBgColor", "fillRect", "clearRect", "flip"].forEach(function (name) {
  g[name] = function () { if (name == "clear" || name == "clearRect") __screen = []; return g; };
});
g.drawString = function (s) { __screen.push("" + s); return g; };

// --- the console: lines to be evaluated, or only GB({...}) where Programmable is off
function __receive(data) {
  for (var i = 0; i < data.length && __load === undefined; i++) {
    var c = data[i];
    if (c == "\x03") __line = "";
    else if (c == "\x05") { if (__isProgrammable) __console += "Espruino " + process.version + " BANGLEJS2\r\n"; }
    else if (c == "\n") { var line = __line; __line = ""; __evaluate(line); }
    else if (c != "\r") __line += c;
  }
}
function __evaluate(line) {
  var isSilent = line[0] == "\x10";
  if (isSilent) line = line.substr(1);
  if (!line) return;
  if (!__isProgrammable) {
    if (line.substr(0, 3) == "GB(" && line.substr(-1) == ")") {
      var x;
      try { x = JSON.parse(line.slice(3, -1)); } catch (e) { return; }
      if (global.GB) __call(global.GB, x);
    }
    return;
  }
  try {
    var r = (0, eval)(line);
    if (!isSilent) __console += "=" + r + "\r\n>";
  } catch (e) {
    var what = e instanceof ReferenceError ? 'ReferenceError: "' + ("" + e.message).split(" ")[0].replace(/'/g, "") + '" is not defined' : e;
    __console += "Uncaught " + what + "\r\n at line 1 col 1\r\n>";
  }
}
function __connect(on) {
  if (on == __connected) return;
  __connected = !!on;
  __drops = false;
  __line = "";
  __emit(on ? "connect" : "disconnect");
}
function __drain() {
  var r = JSON.stringify({ console: __console, edges: __edges, load: __load, drops: __drops, due: __due(), t: __t, wall: __wall });
  __console = "";
  __edges = [];
  return r;
}
