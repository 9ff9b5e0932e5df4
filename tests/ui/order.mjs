// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Sorting many rows: the same as a comparison function has it, whatever the numbers: node order.mjs UI BUILD
import { strict as assert } from 'node:assert';
import { load } from './module.mjs';

const { inOrder } = await load('./order');
let seed = 7;
const random = () => (seed = (seed * 1103515245 + 12345) % 2147483648) / 2147483648;
const kinds = {
	times: () => Math.floor(random() * 1e12),
	'few values': () => Math.floor(random() * 5),
	'below zero, and parts': () => (random() - 0.5) * 1e9,
	'zeros of both signs': () => (random() < 0.5 ? 0 : -0),
	texts: () => `main.f${Math.floor(random() * 40)}`,
};
for (const [kind, value] of Object.entries(kinds))
	for (const n of [0, 1, 2, 999, 1000, 5000])
		for (const shuffled of [false, true])
			for (const descending of [false, true]) {
				const rows = Array.from({ length: n }, (_, i) => ({ goid: shuffled ? (i * 7919) % 100003 : i, v: value() }));
				const sign = descending ? -1 : 1;
				const want = [...rows].sort((a, b) => (a.v < b.v ? -sign : a.v > b.v ? sign : a.goid - b.goid));
				assert.deepEqual(inOrder(rows, (r) => r.v, descending).map((r) => r.goid), want.map((r) => r.goid), `${kind}, ${n}, ${shuffled}, ${descending}`);
			}
