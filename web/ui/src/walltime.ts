// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Wall clocks: what a moment is called where the person is, or in UTC; and times as a person types them.

export type Clock = 'since' | 'local' | 'utc'; // since the beginning, or the time of day
export const CLOCKS: Record<Clock, [string, string]> = {
	since: ['since start', 'Time since tracing began'],
	local: ['local', 'Time of day, here'],
	utc: ['UTC', 'Time of day, UTC'],
};

const DAY = 86400e9;
const two = (n: number) => String(n).padStart(2, '0');
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

// Where the day stands when a source begins, ns: added to a time since then, and what was midnight.
export interface Day {
	offset: number; // of the beginning from midnight, ns
	midnight: number; // as Date has it, ms, of a calendar that is read as UTC
	shift: (ns: number) => number; // by how much the clock has been put on between the beginning and then, ns
}

// What a clock here is ahead of UTC, ms.
const zoneAt = (wallMs: number) => -new Date(wallMs).getTimezoneOffset() * 60e3;

// `wallMs`: of the beginning, with its fraction.
export function dayOf(wallMs: number, clock: Clock): Day {
	const local = clock === 'local', zone = local ? zoneAt(wallMs) : 0;
	const midnight = Math.floor((wallMs + zone) / 86400e3) * 86400e3;
	return { offset: Math.round((wallMs + zone - midnight) * 1e6), midnight, shift: (ns) => (local ? (zoneAt(wallMs + ns / 1e6) - zone) * 1e6 : 0) };
}

// Of a mark that stands at a round time by the clock of the beginning, the place at which it does by the clock of then: where
// summer time has begun or ended, marks of two hours and more move by one. null: the clock never showed that time.
export function roundMark(at: number, step: number, day: Day): number | null {
	const moved = at - day.shift(at) % step;
	return day.shift(moved) === day.shift(at) ? moved : null;
}

const decimalsOf = (step: number) => Math.min(9, Math.max(0, Math.ceil(-Math.log10(step / 1e9) - 1e-9)));

// How many characters the labels of a step are wide.
export const dayWidth = (step: number) => (step >= DAY ? 6 : 8 + (decimalsOf(step) ? decimalsOf(step) + 1 : 0));

// A time since the beginning as the time of day, with as many decimals as tell multiples of `step` apart; the
// date at midnight.
export function dayTime(ns: number, step: number, day: Day): string {
	const decimals = decimalsOf(step), unit = 10 ** (9 - decimals);
	const at = Math.round((ns + day.offset + day.shift(ns)) / unit) * unit, days = Math.floor(at / DAY), rest = at - days * DAY;
	const date = new Date(day.midnight + days * 86400e3);
	if (step >= DAY || (!rest && step >= 1e9)) return `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]}`;
	const s = rest % 60e9 / 1e9, text = s.toFixed(decimals).padStart(decimals ? decimals + 3 : 2, '0');
	return `${two(Math.floor(rest / 3600e9))}:${two(Math.floor(rest / 60e9) % 60)}:${text}`;
}

const UNIT: Record<string, number> = { d: DAY, h: 3600e9, m: 60e9, s: 1e9, ms: 1e6, us: 1e3, 'µs': 1e3, ns: 1 };

// What somebody types, as ns since the beginning: "12.5s", "1m30s" since then; "14:03:05.25", "14:03:05Z" on
// the day on which it begins, or the next; "2026-11-29 14:03:05", "2026-11-29T14:03:05Z". null: none of these.
export function readTime(text: string, wallMs: number, end: number): number | null {
	text = text.trim();
	const parts = [...text.matchAll(/(\d+(?:\.\d+)?)\s*(ms|us|µs|ns|d|h|m|s)\s*/gy)];
	if (parts.length && parts.reduce((n, p) => n + p[0].length, 0) === text.length) return parts.reduce((sum, p) => sum + Number(p[1]) * UNIT[p[2]], 0);
	const m = /^(?:(\d{4})-(\d\d)-(\d\d)[T ])?(\d{1,2}):(\d\d)(?::(\d\d)(\.\d{1,9})?)?\s*(Z|UTC)?$/i.exec(text);
	if (!m) return null;
	const day = dayOf(wallMs, m[8] ? 'utc' : 'local'), [h, min, s] = [m[4], m[5], m[6] ?? 0].map(Number);
	if (h > 23 || min > 59 || s > 59) return null;
	const inDay = ((h * 60 + min) * 60 + s) * 1e9 + Math.round(Number(m[7] ?? 0) * 1e9);
	const since = (days: number) => {
		const at = days * DAY + inDay - day.offset;
		return at - day.shift(at - day.shift(at)); // of an hour that there is twice, the second
	};
	if (m[1]) return since(Math.round((Date.UTC(Number(m[1]), Number(m[2]) - 1, Number(m[3])) - day.midnight) / 86400e3));
	// The first such time from the beginning on, if it is not past the end.
	return since(0) < 0 && since(1) <= end ? since(1) : since(0);
}
