// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Labels against times: the ruler's at every step, and durations; the minimap's heights: node format.mjs UI BUILD
import { load } from './module.mjs';

const { heights } = await load('./timeline/heights');
const { duration, moment, rulerStep, rulerTime } = await load('./format');
let failed = 0;
const check = (ok, text) => { if (!ok && ++failed < 20) console.log(text); };
const say = (got, wanted) => check(got === wanted, `got ${got}, wanted ${wanted}`);

// What a label says, in ns.
const UNIT = { h: 3600e9, m: 60e9, s: 1e9, ms: 1e6 };
const read = (label) => [...label.matchAll(/([\d.]+)(ms|[hms])/g)].reduce((sum, [, n, unit]) => sum + Number(n) * UNIT[unit], 0) * (label[0] === '-' ? -1 : 1);

for (let scale = 1; scale < 2e11; scale *= 1.37) // ns a pixel
	for (const about of [0, 0.3e9, 59.7e9, 3599.6e9, 86000e9]) {
		const span = 1200 * scale, step = rulerStep(scale, about + span), seen = new Set();
		check(step / scale >= 90 && (step / scale <= 500 || step <= 10), `a mark each ${step / scale} px at ${scale} ns/px`);
		for (let at = Math.floor(about / step) * step; at < about + span; at += step) {
			const label = rulerTime(Math.round(at), step);
			check(Math.abs(read(label) - at) <= Math.max(1, at * 1e-12), `${label} at ${at} ns, ${scale} ns/px`);
			check(label.length * 6.7 <= step / scale, `${label} is wider than the step at ${scale} ns/px`);
			check(!seen.has(label), `${label} twice at ${scale} ns/px`);
			seen.add(label);
		}
	}
say(rulerTime(200e9, 20e9), '3m20s');
say(rulerTime(119.9999999e9, 1e9), '2m00s');
say(rulerTime(-1.5e9, 1e8), '-1.5s');
say(moment(65.123456e9), '1m05.123456s');
say(duration(65.123e9), '1m 05.123s');
say(duration(119.9999e9), '2m 00s');
say(duration(3723.5e9), '1h 02m 03.5s');
say(duration(90e9), '1m 30s');
say(duration(59.94e9), '59.9 s');
// The minimap: one burst leaves what is usual in sight, and nothing is at the bottom.
const burst = heights([0, 3, 4, 5, 4, 100000, 4]);
check(burst(4) > 0.05 && burst(4) < 0.3 && burst(100000) === 1 && burst(0) === 0, `heights beside a burst: ${[0, 4, 100000].map(burst)}`);
const even = heights([5, 5, 5, 6]);
check(even(5) > 0.5 && even(6) === 1, `heights of the same: ${[5, 6].map(even)}`);
check(heights([0, 0])(0) === 0, 'heights of nothing');
process.exit(failed ? 1 : 0);
