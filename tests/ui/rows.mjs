// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The UI's table of goroutines against a server that is made up: node rows.mjs UI BUILD
import { strict as assert } from 'node:assert';
import { load } from './module.mjs';

const { RowTable, buildList, dropOthers, goidOf, goidText, ROW, UI_DEFAULTS } = await load('./rows', "export { ROW } from 'contract'; export { UI_DEFAULTS } from './types'; export { goidOf, goidText } from './format';");
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

// Most are gone: who they are is asked for at once, however short a time ago it was asked before, and the list need not wait.
kept = [1, 3, 15, 20, 21, 22, 23, 24];
changed = [20, 21, 22, 23, 24];
await table.refresh();
kept = [1, 3, 15];
changed = [];
asked.length = table.gone = 0;
await table.refresh();
assert.deepEqual(asked, ['changes', 'numbers']);
assert.equal(has(table), '1,3,15');
assert.equal(table.gone, 5);

const rows = new Map([5, 6, 7, 20, 30].map((g) => [g, g]));
dropOthers(rows, '1-2,6-20');
assert.deepEqual([...rows.keys()], [6, 7, 20]);
dropOthers(rows, '');
assert.equal(rows.size, 0);

// What an answer says of a goroutine is what its row says.
const columns = { goid: 2 ** 53 - 1, parent: 7, state: 12, flags: 1023, reason: 1, func: 2, site: 0, since: 5e17 + 64, created: 4e17, exited: 0, last: 6e17, woken_by: 2 ** 40, events: 2 ** 33, slices: 1, maps: 2, objects: 2 ** 34,
	bytes: 2 ** 50, running: 10.5, runnable: 11, syscall: 12, waiting: 13, runnable_max: 14, children: 2 ** 31, began: 3e17 };
const names = { woken_by: 'wokenBy', runnable_max: 'runnableMax' }, times = ['since', 'created', 'last', 'began'], texts = ['', 'sleep', 'main.f'];
const origin = 2e17, told = new RowTable('live', origin);
globalThis.fetch = async () => Response.json({ now: 1, kept: 1, all: true, rows: [Object.keys(ROW).map((key) => columns[key])], texts });
await told.refresh();
const one = told.rows.get(columns.goid);
for (const [key, value] of Object.entries(columns))
	assert.equal(one[names[key] ?? key], times.includes(key) ? value - origin : ['reason', 'func', 'site'].includes(key) ? texts[value] : value, key);
assert.deepEqual(JSON.parse(JSON.stringify(one)), {}, 'what a test or a debugger asks for is not all of the table');

// Many come and go: what is dropped keeps what it had, and the others move together and stay who they are.
const many = new RowTable('live', 0);
let there = [];
globalThis.fetch = async (path) => {
	const after = Number(new URLSearchParams(path.split('?')[1]).get('after')), list = there.filter((g) => g > after).slice(0, 20000);
	return Response.json({ now: 1e9, kept: there.length, all: true, more: !!list.length && list[list.length - 1] !== there[there.length - 1], rows: list.map((g) => row(g)), texts: [''] });
};
const numbers = (from, to) => Array.from({ length: to - from }, (_, i) => from + i);
there = numbers(1, 30001);
await many.refresh();
const gone = many.rows.get(5), stays = many.rows.get(29000), second = many.rows.get(29999);
there = [29000, 29999];
many.forget();
await many.refresh();
assert.equal(many.rows.size, 2);
there = [...there, ...numbers(40000, 60000)];
many.forget();
await many.refresh();
assert.deepEqual([gone.goid, stays.goid, second.goid, many.rows.get(29000) === stays, many.rows.size], [5, 29000, 29999, true, 20002]);
for (const [goid, r] of many.rows) assert.equal(r.goid, goid);

// Whose entry is where in the list, also of those that share a row; who left it has none.
// Six short lives that have ended: 3, 4 and 5, 6 and 7, 8.
there = [1, 2, 3, 4, 5, 6, 7, 8];
const life = (g) => (g > 2 ? { [ROW.created]: 1e9 * (g >> 1), [ROW.exited]: 1e9 * (g >> 1) + 9e8, [ROW.state]: 6, [ROW.flags]: 1 } : { [ROW.created]: 1e9 });
globalThis.fetch = async () => Response.json({ now: 1e10, kept: there.length, all: true, rows: there.map((g) => Object.assign(row(g), life(g))), texts: [''] });
const lanes = new RowTable('live', 0);
await lanes.refresh();
const query = { filter: '', sort: 'id', descending: false, group: 'none', pins: new Set([2]), opened: new Set(), hidden: new Set(), settings: { ...UI_DEFAULTS, exited: 'all' }, window: null };
const list = buildList(lanes, query, 1e11);
assert.deepEqual(list.entries.map((e) => e.lane?.rows.length ?? e.row.goid), [2, 1, 4, 2]);
assert.equal(list.matched.length, 8);
for (const [i, e] of list.entries.entries()) for (const r of e.lane?.rows ?? [e.row]) assert.equal(list.index(r), i, `goroutine ${r.goid}`);
const living = buildList(lanes, { ...query, settings: { ...UI_DEFAULTS, exited: 'none' }, pins: new Set() }, 1e11);
assert.deepEqual(living.entries.map((e) => e.row.goid), [1, 2]);
assert.equal(living.index(lanes.rows.get(3)), -1);

// Numbers that JavaScript's do not tell apart come as texts: each has a row and its own name, and is dropped alone; none is another's.
{
	const big = ['9007199254740993', '9007199254740995', '18446744073709551615'], table = new RowTable('live', 0), paths = [];
	let there = [7, ...big], all = true, numbers = there.join();
	globalThis.fetch = async (path) => {
		paths.push(path);
		if (path.includes('numbers=')) return Response.json({ now: 1e9, kept: there.length, goids: numbers });
		const after = BigInt(new URLSearchParams(path.split('?')[1]).get('after')), list = there.filter((g) => BigInt(g) > after).slice(0, 2);
		return Response.json({ now: 1e9, kept: there.length, all, more: all && !!list.length && list[list.length - 1] !== there[there.length - 1], rows: all ? list.map((g) => row(g)) : [], texts: [''] });
	};
	await table.refresh();
	assert.deepEqual(paths.map((p) => /after=(\d+)/.exec(p)[1]), ['0', big[0]], 'it is asked on with all digits');
	assert.equal(table.rows.size, 4);
	assert.deepEqual([...table.rows.values()].map((r) => goidText(r.goid)), ['7', ...big]);
	assert.ok([...table.rows.keys()].filter((goid) => goid > 2 ** 53).every((goid) => goid > 2 ** 64 && !Number.isSafeInteger(goid)), 'one stands where another may');
	assert.deepEqual([goidText(goidOf(7)), goidText(2 ** 53 + 2), goidText(2 ** 64)], ['7', '≥2^53', '≥2^53'], 'a number that was rounded has the name of one that came as a text');
	all = false;
	there = [7, big[0], big[2]];
	numbers = `7,${big[0]}-9007199254740994,${big[2]}`;
	table.numbersAt = -Infinity;
	await table.refresh();
	assert.deepEqual([...table.rows.values()].map((r) => goidText(r.goid)), ['7', big[0], big[2]]);
}

// Goroutines whose numbers JavaScript cannot tell apart are asked for with nobody's number; the others in sight are.
{
	const { goidList } = await load('./api'), { TileCache } = await load('./tiles');
	assert.equal(goidList([3, 2 ** 53, 1, 2, 2 ** 63, 2 ** 64, 2 ** 53 - 1]), '1-3,9007199254740991');
	const paths = [], before = globalThis.fetch;
	globalThis.fetch = async (path) => { paths.push(path); return new Response(new ArrayBuffer(0)); };
	const cache = new TileCache('live', 0, () => '');
	cache.request([{ level: 5, index: 1, ids: [7, 2 ** 53, 9, 2 ** 64] }, { level: 5, index: 2, ids: [2 ** 63] }]);
	globalThis.fetch = before;
	assert.deepEqual(paths.map((p) => /tiles\/5\/(\d+)\?goids=([\d,-]+)/.exec(p)?.slice(1).join()), ['1,7,9']);
}
