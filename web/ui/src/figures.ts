// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Figures of two times or recordings that are held against each other: as they stand on the page, and as CSV.
import { bytes, duration, exact } from './format';

export type Unit = 'count' | 'ns' | 'bytes';

// A count a second may be less than one.
export function figure(v: number | null, unit: Unit): string {
	if (v === null) return '–';
	if (unit === 'bytes') return bytes(v);
	if (unit === 'ns') return v ? duration(v) : '0';
	return Number.isInteger(v) ? exact(v) : v.toFixed(v < 10 ? 2 : 1);
}

export const difference = (v: number, unit: Unit) => (!v ? '=' : (v < 0 ? '-' : '+') + figure(Math.abs(v), unit));

// How often the one is in the other, where both have it.
export function ratio(a: number, b: number, of: number): string {
	if (a && b) return `× ${of.toFixed(of < 10 ? 2 : 0)}`;
	return a ? 'only A' : b ? 'only B' : '';
}

const quote = (s: string) => `"${s.trim().replace(/"/g, '""')}"`;

interface Compared { name: string; unit: Unit; a: number; b: number; difference: number }

// `a`, `b`: what the columns are called.
export function csvOf(a: string, b: string, lines: Compared[]): string {
	return [`name,unit,${quote(a)},${quote(b)},difference`, ...lines.map((l) => [quote(l.name), l.unit, l.a, l.b, l.difference].join())].join('\n') + '\n';
}
