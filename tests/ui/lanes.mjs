// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Short lives that share rows: none overlap, few rows are needed, and a life keeps its row: node lanes.mjs UI BUILD
import { strict as assert } from 'node:assert';
import { load } from './module.mjs';

const { Lanes, lanesOf, firstAt, NO_LANE, SHORT_NS } = await load('./lanes');
let seed = 42;
const random = () => (seed = (seed * 1103515245 + 12345) % 2147483648) / 2147483648;
const life = (goid, created, exited, func = 'main.f') => ({ goid, created, exited, func, flags: 0, lane: NO_LANE });
const check = (rows) => {
	const lanes = lanesOf(rows, '');
	for (const { rows: list, func } of lanes)
		list.forEach((r, i) => assert.ok(r.func === func && (!i || r.created >= list[i - 1].exited), `${r.goid} overlaps`));
	return lanes;
};

// 200,000 of two functions, at most some forty at a time, told in parts as they end.
const rows = Array.from({ length: 200000 }, (_, i) => {
	const created = i * 1e6 + random() * 1e6;
	return life(i + 1, created, created + random() ** 4 * 40e6, i % 5 ? 'main.f' : 'main.g');
}).sort((a, b) => a.exited - b.exited);
const lanes = new Lanes();
const begun = performance.now();
for (let i = 0; i < rows.length; i += 777) lanes.assign(rows.slice(i, i + 777));
const ms = performance.now() - begun;
const all = check(rows);
assert.equal(all.reduce((n, l) => n + l.rows.length, 0), rows.length);
assert.ok(all.length <= 80, `${all.length} rows for 200,000 lives, ${Math.round(ms)} ms`);
// Those of a part of the time are where they were.
const some = check(rows.filter((r) => r.created > 5e10 && r.exited < 6e10));
for (const lane of some) for (const r of lane.rows) assert.ok(all.find((l) => l.key === lane.key).rows.includes(r));
// The first that is not over.
for (let k = 0; k < 200; k++) {
	const lane = all[k % all.length], time = random() * 2e11, i = firstAt(lane, time);
	assert.ok((i === lane.rows.length || lane.rows[i].exited >= time) && (!i || lane.rows[i - 1].exited < time));
}

// A burst of lives that are all there at once needs a row each, and no longer than a moment to say so.
const burst = Array.from({ length: 50000 }, (_, i) => life(i, 1e9 + i, 2e9 + i));
new Lanes().assign(burst);
assert.equal(check(burst).length, 50000);

// What lived long, was found, or lives has a row of its own.
const own = [life(1, 0, SHORT_NS + 1), { ...life(2, 5, 10), flags: 4 }, life(3, 5, 0)];
new Lanes().assign(own);
assert.deepEqual(own.map((r) => r.lane), [NO_LANE, NO_LANE, NO_LANE]);
