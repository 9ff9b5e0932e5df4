// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What is said of a stay by an answer that is older than the picture: node stays.mjs UI BUILD
import { strict as assert } from 'node:assert';
import { load } from './module.mjs';

const { endOf, STAY } = await load('./timeline/stays', "export { STAY } from 'contract';");
const stay = (begin, end) => Object.assign(Object.keys(STAY).map(() => 0), { [STAY.begin]: begin, [STAY.end]: end });
const origin = 5e9, now = 9e9, row = (since, exited = 0) => ({ since, exited });

assert.deepEqual(endOf(stay(6e9, 8e9), row(3e9), origin, now), { end: 3e9, open: false, sure: true });
assert.deepEqual(endOf(stay(6e9, 15e9), row(1e9), origin, now), { end: now, open: true, sure: true }, 'a replay has not come to its end');
assert.deepEqual(endOf(stay(6e9, 0), row(1e9), origin, now), { end: now, open: true, sure: true }, 'it goes on');
assert.deepEqual(endOf(stay(6e9, 0), undefined, origin, now), { end: now, open: true, sure: true });
assert.deepEqual(endOf(stay(6e9, 0), row(4e9), origin, now), { end: 4e9, open: false, sure: false }, 'it has moved on: no longer than until then');
assert.deepEqual(endOf(stay(6e9, 0), row(4e9, 7e9), origin, now), { end: 7e9, open: false, sure: false }, 'it has exited');
