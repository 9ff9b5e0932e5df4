// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The UI's table of goroutines against a server that is made up: node rows.mjs UI BUILD
import { strict as assert } from 'node:assert';
import { load } from './module.mjs';

const { RowTable, dropOthers, ROW } = await load('./rows', "export { ROW } from 'contract';");
const row = (goid, state = 1) => {
	const r = Object.keys(ROW).map(() => 0);
	r[ROW.goid] = goid;
	r[ROW.state] = state;
	return r;
};
// What the server has, and what changed since the last answer; in parts of `part`.
let kept = [], changed = [], part = 1e9;
const asked = [];
globalThis.fetch = async (path) => {
	const q = new URLSearchParams(path.split('?')[1]);
	asked.push(q.has('numbers') ? 'numbers' : q.get('since') === '0' ? 'all' : 'changes');
	if (q.has('numbers')) return Response.json({ now: 1e9, kept: kept.length, goids: kept.join() });
	const all = q.get('since') === '0', list = (all ? kept : changed).filter((g) => g > Number(q.get('after')));
	return Response.json({ now: 1e9, kept: kept.length, all, more: list.length > part, rows: list.slice(0, part).map((g) => row(g)), texts: [''] });
};
const has = (table) => [...table.rows.keys()].sort((a, b) => a - b).join();

const table = new RowTable('live', 0);
kept = [1, 2, 3];
await table.refresh();
assert.equal(has(table), '1,2,3');

// A burst comes, in more parts than one, and is gone before the next answer.
kept = [1, 2, 3, 10, 11, 12, 13, 14];
changed = [10, 11, 12, 13, 14];
part = 2;
await table.refresh();
assert.equal(has(table), '1,2,3,10,11,12,13,14');
kept = [1, 3, 15];
changed = [15];
asked.length = 0;
await table.refresh();
assert.deepEqual(asked, ['changes', 'numbers']);
assert.equal(has(table), '1,3,15');
// Nothing is missing: nothing is asked.
changed = [];
asked.length = 0;
await table.refresh();
assert.deepEqual(asked, ['changes']);

const rows = new Map([5, 6, 7, 20, 30].map((g) => [g, g]));
dropOthers(rows, '1-2,6-20');
assert.deepEqual([...rows.keys()], [6, 7, 20]);
dropOthers(rows, '');
assert.equal(rows.size, 0);
