// SPDX-License-Identifier: MIT
// The real Buttplug server (npm buttplug-wasm, version 3 of the protocol) behind a WebSocket, with a
// toy of two motors behind its Web Bluetooth.
//
//   node buttplug_server.mjs FOLDER     a folder with node_modules: buttplug-wasm and ws
//
// Prints `listening PORT`, then each command that reaches the toy.
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import path from 'node:path';

const folder = process.argv[2];
const load = (name) => import(pathToFileURL(path.join(folder, 'node_modules', name)).href);

const SERVICE = '50300001-0023-4bd4-bbd5-a6920e4c5653';
const TX = '50300002-0023-4bd4-bbd5-a6920e4c5653';
const RX = '50300003-0023-4bd4-bbd5-a6920e4c5653';
const ANSWERS = { 'DeviceType;': 'P:11:82059AD3BD02;', 'Battery;': '77;' };

function bytesOf(value) {
  if (ArrayBuffer.isView(value)) {
    return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  }
  return new Uint8Array(value);
}

function characteristic(uuid, onWrite) {
  const made = new EventTarget();
  Object.assign(made, {
    uuid,
    value: null,
    writeValue: async (value) => onWrite(bytesOf(value)),
    writeValueWithResponse: async (value) => onWrite(bytesOf(value)),
    writeValueWithoutResponse: async (value) => onWrite(bytesOf(value)),
    startNotifications: async () => made,
    stopNotifications: async () => made,
  });
  return made;
}

function toy() {
  const rx = characteristic(RX, () => {});
  const tx = characteristic(TX, (bytes) => {
    const text = new TextDecoder().decode(bytes);
    console.log(`toy ${text}`);
    setTimeout(() => {
      rx.value = new DataView(new TextEncoder().encode(ANSWERS[text] ?? 'OK;').buffer);
      rx.oncharacteristicvaluechanged?.({ target: rx, currentTarget: rx });
    }, 5);
  });
  const service = { uuid: SERVICE, getCharacteristic: async (uuid) => (uuid === TX ? tx : rx) };
  const device = new EventTarget();
  device.id = 'toy';
  device.name = 'LVS-Test';
  device.gatt = {
    connected: false,
    device,
    async connect() { this.connected = true; return this; },
    disconnect() { this.connected = false; },
    async getPrimaryService(uuid) {
      if (uuid !== SERVICE) throw new Error('no such service');
      return service;
    },
  };
  return device;
}

const bluetooth = { getAvailability: async () => true, requestDevice: async () => toy() };
const navigator = { bluetooth };
for (const [name, value] of [['window', globalThis], ['navigator', navigator]]) {
  Object.defineProperty(globalThis, name, { value, configurable: true });
}
globalThis.Window = class { static [Symbol.hasInstance](x) { return x === globalThis; } };
globalThis.Navigator = class { static [Symbol.hasInstance](x) { return x === navigator; } };

const { ButtplugWasmClientConnector } = await load('buttplug-wasm/dist/buttplug-wasm.mjs');
const { WebSocketServer } = await load('ws/wrapper.mjs');
const listening = new WebSocketServer({ host: '127.0.0.1', port: 0 });
listening.on('connection', async (socket) => {
  const server = new ButtplugWasmClientConnector();
  server.emitMessage = (bytes) => socket.send(new TextDecoder().decode(bytes));
  await server.connect();
  socket.on('message', (data) => {
    const text = data.toString();
    if (text.includes('ProtocolVersionMajor')) {
      // Newer than this build, which would panic; Intiface answers with an error.
      const [{ RequestServerInfo: { Id } }] = JSON.parse(text);
      socket.send(JSON.stringify([{ Error: { Id, ErrorMessage: 'not known', ErrorCode: 3 } }]));
      return;
    }
    server.send({ toJSON: () => text.slice(1, -1) });
  });
});
listening.on('listening', () => console.log(`listening ${listening.address().port}`));
