// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Modules of the UI that import each other in a circle, types or not: node imports.mjs SRC
// One that is in a circle cannot be read, tested or loaded without all the others.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';

// Tarjan's strongly connected components: those of more than one node, and those that name themselves.
export function circles(graph) {
	const index = new Map(), low = new Map(), stack = [], found = [];
	const visit = (v) => {
		index.set(v, index.size);
		low.set(v, index.get(v));
		stack.push(v);
		for (const w of graph.get(v)) {
			if (!index.has(w)) visit(w);
			if (stack.includes(w)) low.set(v, Math.min(low.get(v), low.get(w)));
		}
		if (low.get(v) !== index.get(v)) return;
		const part = stack.splice(stack.indexOf(v));
		if (part.length > 1 || graph.get(v).includes(v)) found.push(part);
	};
	for (const v of graph.keys()) if (!index.has(v)) visit(v);
	return found;
}

export function importsOf(text) {
	return [...text.matchAll(/^\s*(?:import|export)\b[^'";]*?\bfrom\s*'([^']+)'|^\s*import\s*'([^']+)'|\bimport\(\s*'([^']+)'/gm)]
		.map((m) => m[1] ?? m[2] ?? m[3]).filter((name) => name.startsWith('.'));
}

const same = (a, b) => {
	if (JSON.stringify(a) === JSON.stringify(b)) return;
	console.log(`the test itself: ${JSON.stringify(a)}, not ${JSON.stringify(b)}`);
	process.exit(1);
};
same(circles(new Map([['a', ['b']], ['b', ['c']], ['c', ['b', 'd']], ['d', []], ['e', ['e']]])), [['b', 'c'], ['e']]);
same(importsOf("import a from './a';\nimport type {\n\tB,\n} from '../b';\nimport 'c';\nimport './d.css';\nexport { e } from './e';\nawait import('./f');\n"),
	['./a', '../b', './d.css', './e', './f']);

const src = process.argv[2];
const files = readdirSync(src, { recursive: true }).map(normalize).filter((name) => /\.tsx?$/.test(name));
const graph = new Map(files.map((file) => [file, importsOf(readFileSync(join(src, file), 'utf8'))
	.map((name) => relative('.', join(dirname(file), name))).flatMap((name) => files.filter((f) => f.replace(/\.tsx?$/, '') === name))]));
same(files.length > 20 && [...graph.values()].flat().length > files.length, true);
const found = circles(graph);
for (const circle of found) console.log(`a circle of imports: ${circle.join(', ')}`);
process.exit(found.length ? 1 : 0);
