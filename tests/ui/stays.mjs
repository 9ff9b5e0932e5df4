// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What is said of a stay by an answer that is older than the picture: node stays.mjs UI BUILD
import { strict as assert } from 'node:assert';
import { load } from './module.mjs';

const { endOf, STAY } = await load('./timeline/stays', "export { STAY } from 'contract';");
const stay = (begin, end) => Object.assign(Object.keys(STAY).map(() => 0), { [STAY.begin]: begin, [STAY.end]: end });
const origin = 5e9, now = 9e9, row = (since, exited = 0) => ({ since, exited });

assert.deepEqual(endOf(stay(6e9, 8e9), row(3e9), origin, now, 5e9), { end: 3e9, open: false, sure: true });
assert.deepEqual(endOf(stay(6e9, 15e9), row(1e9), origin, now, 5e9), { end: now, open: true, sure: true }, 'a replay has not come to its end');
assert.deepEqual(endOf(stay(6e9, 0), row(1e9), origin, now, 5e9), { end: now, open: true, sure: true }, 'it goes on');
assert.deepEqual(endOf(stay(6e9, 0), undefined, origin, now, 5e9), { end: now, open: true, sure: true });
assert.deepEqual(endOf(stay(6e9, 0), row(4e9), origin, now, 5e9), { end: 4e9, open: false, sure: false }, 'it has moved on: no longer than until then');
assert.deepEqual(endOf(stay(6e9, 0), row(4e9, 7e9), origin, now, 5e9), { end: 5e9, open: false, sure: false }, 'it has exited, some time after that was asked');
assert.deepEqual(endOf(stay(6e9, 0), row(4e9), origin, now, 2e9), { end: 2e9, open: false, sure: false }, 'it went on when that was asked; what comes after is not its');
assert.deepEqual(endOf(stay(6e9, 0), row(4e9), origin, now, 0), { end: 1e9, open: false, sure: false }, 'it is not over before it begins');
assert.deepEqual(endOf(stay(6e9, 0), row(1e9), origin, now, 2e9), { end: now, open: true, sure: true }, 'and goes on');
