// SPDX-License-Identifier: MIT
// Parses programs of the watch as its app loader does, and tells as JSON what of JavaScript they use.
//
//   node syntax.mjs FOLDER FILE...     a folder with node_modules: acorn

import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const [folder, ...files] = process.argv.slice(2);
const { parse } = await import(pathToFileURL(path.join(folder, 'node_modules/acorn/dist/acorn.mjs')).href);
const told = { nodes: new Set(), declared: new Set(), called: new Set(), arrows: new Set() };

function look(node, arrow) {
  if (!node || typeof node.type !== 'string') return;
  told.nodes.add(node.type);
  if (node.type === 'VariableDeclaration') told.declared.add(node.kind);
  if (node.type === 'CallExpression' && node.callee.type === 'MemberExpression' && !node.callee.computed)
    told.called.add(node.callee.property.name);
  const inside = node.type === 'ArrowFunctionExpression' || (arrow && !node.type.startsWith('Function'));
  if (inside && (node.type === 'ThisExpression' || node.name === 'arguments')) told.arrows.add(node.name ?? 'this');
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) look(child, inside);
  }
}

for (const file of files) look(parse(fs.readFileSync(file, 'utf8'), { ecmaVersion: 2020 }), false);
console.log(JSON.stringify(told, (_, value) => (value instanceof Set ? [...value].sort() : value)));
