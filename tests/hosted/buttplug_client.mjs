// SPDX-License-Identifier: MIT
// The real client (npm buttplug, version 4 of the protocol) against a server: it finds the device,
// vibrates all of it at half, and stops it.
//
//   node buttplug_client.mjs FOLDER URL     a folder with node_modules: buttplug and ws
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import path from 'node:path';

const [folder, url] = process.argv.slice(2);
const load = (name) => import(pathToFileURL(path.join(folder, 'node_modules', name)).href);
const found = await load('buttplug/dist/main/index.js');
const buttplug = found.default ?? found;

const client = new buttplug.ButtplugClient('test');
await client.connect(new buttplug.ButtplugNodeWebsocketClientConnector(url));
const [device] = [...client.devices.values()];
console.log(`device ${device.name}`);
await device.runOutput(buttplug.DeviceOutput.Vibrate.percent(0.5));
await device.stop();
await client.disconnect();
console.log('done');
process.exit(0);
