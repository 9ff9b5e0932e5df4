// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Labels against times: the ruler's at every step, and durations; the minimap's heights: node format.mjs UI BUILD
import { load } from './module.mjs';

const { heights } = await load('./timeline/heights');
const { brief, cpuList, duration, goidText, length, moment, rulerMarks, rulerStep, rulerTime } = await load('./format');
const { lengthOf } = await load('./types');
let failed = 0;
const check = (ok, text) => { if (!ok && ++failed < 20) console.log(text); };
const say = (got, wanted) => check(got === wanted, `got ${got}, wanted ${wanted}`);

// What a label says, in ns.
const UNIT = { h: 3600e9, m: 60e9, s: 1e9, ms: 1e6, 'µs': 1e3, ns: 1 };
const read = (label) => [...label.matchAll(/([\d.]+)(ms|µs|ns|[hms])/g)].reduce((sum, [, n, unit]) => sum + Number(n) * UNIT[unit], 0) * (label[0] === '-' ? -1 : 1);

// A picture of 45 s from 0.3 s on, 550 px wide.
say(rulerMarks(0.3e9, 45.3e9, 45e9 / 550).map((m) => m.text).join(' '), '10s 20s 30s 40s');
say(rulerMarks(0, 45e9, 45e9 / 550).map((m) => m.text).join(' '), '0s 10s 20s 30s 40s');

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
// A recording of which nothing could be read is not shorter than nothing; numbers that are not told apart are no other's.
say(lengthOf({ first_ns: 85039725e6, now_ns: 0 }), 0);
say(lengthOf({ first_ns: 2e9, now_ns: 3e9 }), 1e9);
say([length(0), length(-85039725e6), length(1.5e9)].join(), 'nothing,nothing,1.5 s');
say([7, 2 ** 53 - 1, 2 ** 53, 2 ** 63].map(goidText).join(), '7,9007199254740991,≥2^53,≥2^53');
say(rulerTime(200e9, 20e9), '3m20s');
say(rulerTime(119.9999999e9, 1e9), '2m00s');
say(rulerTime(-1.5e9, 1e8), '-1.5s');
// Nobody reads 0.0001ms.
say([100, 1500, 2000, 99e3, 1.5e6].map((ns) => rulerTime(ns, 100)).join(), '0.1µs,1.5µs,2.0µs,99.0µs,1.5000ms');
say([7, 20, 1010].map((ns) => rulerTime(ns, 1)).join(), '7ns,20ns,1.010µs');
say(rulerTime(2e5, 1e5), '0.2ms');
say(moment(65.123456e9), '1m05.123456s');
say(duration(65.123e9), '1m 05.123s');
say(duration(119.9999e9), '2m 00s');
say(duration(3723.5e9), '1h 02m 03.5s');
say(duration(90e9), '1m 30s');
say(duration(59.94e9), '59.9 s');
say(cpuList([2, 63, 64, 65, 1023]), '2,63-65,1023');
say(brief('main.\u202eab\u0000'), 'main.\\u202eab\\u0000');
say(brief(`main.${'x'.repeat(4096)}end`).length < 300 && brief(`main.${'x'.repeat(4096)}end`).endsWith('end'), true);
say(cpuList([7]) + cpuList([]), '7');
// The minimap: one burst leaves what is usual in sight, and nothing is at the bottom.
const burst = heights([0, 3, 4, 5, 4, 100000, 4]);
check(burst(4) > 0.05 && burst(4) < 0.3 && burst(100000) === 1 && burst(0) === 0, `heights beside a burst: ${[0, 4, 100000].map(burst)}`);
const even = heights([5, 5, 5, 6]);
check(even(5) > 0.5 && even(6) === 1, `heights of the same: ${[5, 6].map(even)}`);
check(heights([0, 0])(0) === 0, 'heights of nothing');

// The time of day: round marks of the clock, and what a person types.
const { dayOf, dayTime, dayWidth, readTime, roundMark } = await load('./walltime');
process.env.TZ = 'Asia/Kolkata'; // half an hour off, and no summer time
const began = Date.UTC(2026, 10, 29, 6, 42, 54, 250); // 12:12:54.250 there
for (const [clock, shows] of [['utc', '06:42:54.250'], ['local', '12:12:54.250']]) {
	const day = dayOf(began, clock);
	say(dayTime(0, 1e6, day), shows);
	for (let scale = 1; scale < 1e10; scale *= 1.7) {
		const step = rulerStep(scale, 0, dayWidth), first = Math.ceil(day.offset / step) * step - day.offset;
		check(step / scale >= 90, `${step / scale} px`);
		for (let at = first; at < first + 5 * step; at += step) {
			const label = dayTime(Math.round(at), step, day), m = /^(\d\d):(\d\d):(\d\d(?:\.\d+)?)$/.exec(label);
			if (!m) check(/^\d+ [A-Z][a-z][a-z]$/.test(label) && (step >= 86400e9 || (at + day.offset) % 86400e9 < 1), `${label} at ${at}`);
			else check(Math.abs((m[1] * 3600 + m[2] * 60) * 1e9 + m[3] * 1e9 - (at + day.offset) % 86400e9) < Math.max(2, step / 1e3), `${label} at ${at}, step ${step}`);
			check(label.length <= dayWidth(step), `${label} is wider than told`);
		}
	}
}
say(dayTime(86400e9, 1e9, dayOf(began, 'utc')), '06:42:54');
say(dayTime(86400e9 - dayOf(began, 'utc').offset, 1e9, dayOf(began, 'utc')), '30 Nov');
for (const [text, ns] of [['12.5s', 12.5e9], ['1m30s', 90e9], ['2h 3ms', 7200e9 + 3e6], ['06:43:00Z', 5.75e9], ['12:13', 5.75e9], ['12:12:54.75', 0.5e9],
	['2026-11-29 12:13:00', 5.75e9], ['2026-11-30T06:42:54.25Z', 86400e9], ['abc', null], ['12', null], ['25:00', null], ['', null], ['12 parsecs', null]])
	say(readTime(text, began, 3600e9), ns);
say(readTime('00:00:00', began, 2 * 86400e9), 86400e9 - dayOf(began, 'local').offset); // the next midnight

// Where the clock is put on or back while it is traced: each moment has the time that a clock there showed then, marks stand at
// round ones, and what somebody types is found again.
const shown = (zone, ms) => new Intl.DateTimeFormat('en-GB', { timeZone: zone, hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' }).format(ms);
for (const [zone, start] of [['Europe/Berlin', Date.UTC(2026, 9, 24, 20, 30)], ['Europe/Berlin', Date.UTC(2026, 2, 28, 20, 30)], ['America/New_York', Date.UTC(2026, 10, 1, 3, 59, 59, 500)],
	['Australia/Lord_Howe', Date.UTC(2026, 3, 4, 9)], ['Australia/Lord_Howe', Date.UTC(2026, 9, 3, 9)], ['Pacific/Chatham', Date.UTC(2026, 8, 26, 9)], ['Asia/Kolkata', Date.UTC(2026, 9, 24, 20)]]) {
	process.env.TZ = zone;
	const day = dayOf(start, 'local'), hours = 40;
	for (let minute = 0; minute < hours * 60; minute += 7) {
		const ns = minute * 60e9 + 3e9, wanted = shown(zone, start + ns / 1e6);
		say(`${zone} ${minute} min: ${dayTime(ns, 1e9 / 10, day).slice(0, 8)}`, `${zone} ${minute} min: ${wanted}`);
	}
	for (const step of [60e9, 1800e9, 3600e9, 7200e9, 21600e9, 86400e9]) {
		const off = day.offset % step, marks = [];
		for (let at = -off; at < hours * 3600e9; at += step) marks.push(...[roundMark(at, step, day)].filter((mark) => mark !== null));
		check(marks.length > hours * 3600e9 / step - 3, `${zone}: ${marks.length} marks of ${step / 1e9} s`);
		check(marks.every((at, i) => !i || at > marks[i - 1]), `${zone}: marks of ${step} are not in order: ${marks}`);
		for (const at of marks) {
			const [h, m, s] = shown(zone, start + at / 1e6).split(':').map(Number), since = ((h * 60 + m) * 60 + s) * 1e9;
			check(since % step === 0, `${zone}: a mark of ${step / 1e9} s stands at ${h}:${m}:${s}`);
		}
	}
	for (let k = 1; k < 200; k++) {
		const ns = k * hours * 3600e9 / 200, at = start + ns / 1e6, iso = new Intl.DateTimeFormat('sv-SE', { timeZone: zone, dateStyle: 'short', timeStyle: 'medium' }).format(at), got = readTime(iso, start, hours * 3600e9);
		const again = got === null ? '' : new Intl.DateTimeFormat('sv-SE', { timeZone: zone, dateStyle: 'short', timeStyle: 'medium' }).format(start + got / 1e6);
		check(again === iso && Math.abs(got - ns) <= 3600e9 + 1e9, `${zone}: ${iso} is read as ${got}, ${again}; it is ${ns}`);
	}
}
process.exit(failed ? 1 : 0);
