// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What axe finds that is serious, on what a page shows now.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export const serious = (page) => page.evaluate(async (code) => {
	if (!window.axe) (0, eval)(code);
	const { violations } = await window.axe.run(document, { resultTypes: ['violations'] });
	return violations.filter((v) => ['serious', 'critical'].includes(v.impact)).map((v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => n.target.join(' ')).join(', ')}`);
}, axe);
