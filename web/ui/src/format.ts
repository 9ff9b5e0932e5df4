// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Numbers as people read them. Durations keep three digits; nothing is rounded to look exact.

const UNITS: [number, string][] = [[1e9, 's'], [1e6, 'ms'], [1e3, 'µs'], [1, 'ns']];

const two = (n: number) => String(n).padStart(2, '0');
// Of a minute, with two digits before the point.
const seconds = (s: number, decimals: number) => s.toFixed(decimals).padStart(decimals ? decimals + 3 : 2, '0');

function digits(v: number): string {
	const a = Math.abs(v);
	if (a === 0) return '0';
	if (a >= 100) return v.toFixed(0);
	if (a >= 10) return v.toFixed(1).replace(/\.0$/, '');
	return v.toFixed(2).replace(/\.?0+$/, '');
}

// From a minute on to the millisecond, whatever the hours: "1m 05.123s", "2h 00m 07.5s".
export function duration(ns: number): string {
	const a = Math.abs(ns);
	if (!isFinite(ns)) return '–';
	if (a >= 60e9) {
		const ms = Math.round(a / 1e6), m = Math.floor(ms / 60e3);
		const s = `${m >= 60 ? `${two(m % 60)}m` : `${m}m`} ${seconds(ms % 60e3 / 1e3, 3).replace(/\.?0+$/, '').padStart(2, '0')}s`;
		return `${ns < 0 ? '-' : ''}${m >= 60 ? `${Math.floor(m / 60)}h ` : ''}${s}`;
	}
	for (const [size, unit] of UNITS) if (a >= size) return `${digits(ns / size)} ${unit}`;
	return `${digits(ns)} ns`;
}

// Of a source: none is less than nothing.
export const length = (ns: number) => (ns > 0 ? duration(ns) : 'nothing');

// Numbers of goroutines that JavaScript's cannot tell from their neighbours (2^53 and above) come as texts. Each stands in the
// page as a number that no goroutine has: above 2^64, where 8192 is between one and the next.
const FIRST_LARGE = 2 ** 65, LARGE_STEP = 2 ** 13;
const large: string[] = [], largeIndex = new Map<string, number>();

export function goidOf(told: number | string): number {
	if (typeof told === 'number') return told;
	let i = largeIndex.get(told);
	if (i === undefined) largeIndex.set(told, i = large.push(told) - 1);
	return FIRST_LARGE + i * LARGE_STEP;
}

// A goroutine's number; where it came as one and is too large to be told apart, it is named as no other one.
export const goidText = (goid: number) => (Number.isSafeInteger(goid) ? String(goid) : large[(goid - FIRST_LARGE) / LARGE_STEP] ?? '≥2^53');

export function bytes(n: number): string {
	if (n < 1000) return `${Math.round(n)} B`;
	for (const [size, unit] of [[1e12, 'TB'], [1e9, 'GB'], [1e6, 'MB'], [1e3, 'kB']] as const)
		if (n >= size) return `${digits(n / size)} ${unit}`;
	return `${n} B`;
}

export function count(n: number): string {
	if (n < 10000) return String(Math.round(n));
	if (n < 1e6) return `${digits(n / 1e3)}k`;
	if (n < 1e9) return `${digits(n / 1e6)}M`;
	return `${digits(n / 1e9)}G`;
}

export function exact(n: number): string {
	return Math.round(n).toLocaleString('en-US');
}

// CPUs in order, as the kernel writes a list of them: 0-3,8.
export function cpuList(cpus: number[]): string {
	const parts: string[] = [];
	for (let i = 0, j; i < cpus.length; i = j) {
		for (j = i + 1; cpus[j] === cpus[j - 1] + 1;) j++;
		parts.push(j - i > 1 ? `${cpus[i]}-${cpus[j - 1]}` : String(cpus[i]));
	}
	return parts.join(',');
}

// What the ruler's marks are apart, in ns: a step a person counts in. Decimal below a second.
const STEPS = [1, 2, 5, 10, 15, 30].map((s) => s * 1e9).concat([1, 2, 5, 10, 15, 30].map((m) => m * 60e9),
	[1, 2, 3, 6, 12, 24, 48, 120, 240].map((h) => h * 3600e9));
const MARK_PX = 90, CHARACTER_PX = 6.7, BESIDE_PX = 12;

// The least step whose labels, up to that of `furthest` or as wide as told, do not touch at so many ns a pixel.
export function rulerStep(scale: number, furthest = 0, characters = (step: number) => rulerTime(furthest, step).length): number {
	const wide = (step: number) => step / scale >= Math.max(MARK_PX, characters(step) * CHARACTER_PX + BESIDE_PX);
	for (let power = 1; power < 1e9; power *= 10) for (const m of [1, 2, 5]) if (wide(m * power)) return m * power;
	for (const step of STEPS) if (wide(step)) return step;
	let days = 480 * 3600e9;
	while (!wide(days)) days *= 2;
	return days;
}

// A time since the beginning, with as many decimals as tell multiples of `step` apart.
export function rulerTime(ns: number, step: number): string {
	const decimals = Math.min(9, Math.max(0, Math.ceil(-Math.log10(step / 1e9) - 1e-9)));
	const unit = 10 ** (9 - decimals), a = Math.round(Math.abs(ns) / unit) * unit;
	const sign = ns < 0 && a ? '-' : '';
	if (a >= 60e9) {
		const m = Math.floor(a / 60e9), rest = a - m * 60e9;
		const s = rest || step < 60e9 ? `${seconds(rest / 1e9, decimals)}s` : '';
		return sign + (m >= 60 ? `${Math.floor(m / 60)}h${two(m % 60)}m` : `${m}m`) + s;
	}
	if (!a) return '0s';
	if (a >= 1e9 || step >= 1e8) return `${sign}${(a / 1e9).toFixed(decimals)}s`;
	if (a >= 1e6 || step >= 1e5) return `${sign}${(a / 1e6).toFixed(Math.max(0, decimals - 3))}ms`;
	return a >= 1e3 || step >= 100 ? `${sign}${(a / 1e3).toFixed(Math.max(0, decimals - 6))}µs` : `${sign}${a}ns`;
}

// Where marks of a picture's time stand that begins at `from`, so many ns a pixel: at times a person counts in.
export function rulerMarks(from: number, to: number, scale: number): { t: number; text: string }[] {
	const step = rulerStep(scale, to), marks: { t: number; text: string }[] = [];
	for (let t = Math.ceil(from / step) * step; t < to; t += step) marks.push({ t, text: rulerTime(t, step) });
	return marks;
}

// One moment, to the microsecond.
export const moment = (ns: number) => rulerTime(ns, 1e3);

export function clock(ms: number): string {
	const d = new Date(ms);
	return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ` +
		`${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}

// A name as it is: what turns the direction of text round, or is no character to see, stands as Go writes it.
export const plain = (name: string) => name.replace(/[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);

const NAME_HEAD = 60, NAME_TAIL = 180;

// A name with what is in its middle left out where it is longer than tables have room for.
export const brief = (name: string) => plain(name.length > NAME_HEAD + NAME_TAIL ? `${name.slice(0, NAME_HEAD)} … ${name.slice(-NAME_TAIL)}` : name);

// "main.(*Cache).refresh" from "github.com/x/y/main.(*Cache).refresh".
export function shortFunc(name: string): string {
	const slash = name.lastIndexOf('/', name.indexOf('(') < 0 ? undefined : name.indexOf('('));
	return plain(slash < 0 ? name : name.slice(slash + 1));
}
