// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Figures that are held against each other: node figures.mjs UI BUILD
import { strict as assert } from 'node:assert';
import { load } from './module.mjs';

const { csvOf, difference, figure, ratio } = await load('./figures');
assert.deepEqual([figure(0.4, 'count'), figure(12.34, 'count'), figure(12345, 'count'), figure(0, 'ns'), figure(1500, 'bytes'), figure(null, 'ns')],
	['0.40', '12.3', '12,345', '0', '1.5 kB', '–'], 'less than one a second is not none');
assert.deepEqual([difference(0.2, 'count'), difference(-0.2, 'count'), difference(-2500, 'bytes'), difference(0, 'ns')], ['+0.20', '-0.20', '-2.5 kB', '=']);
assert.deepEqual([ratio(4, 2, 2), ratio(40, 2, 20), ratio(1, 0, Infinity), ratio(0, 1, 0), ratio(0, 0, NaN)], ['× 2.00', '× 20', 'only A', 'only B', '']);
assert.equal(csvOf('A', 'B x', [{ name: ' say "f", g', unit: 'count', a: 1, b: 3, difference: 2 }]), 'name,unit,"A","B x",difference\n"say ""f"", g",count,1,3,2\n');
