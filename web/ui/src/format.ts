// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Numbers as people read them. Durations keep three digits; nothing is rounded to look exact.

const UNITS: [number, string][] = [[3600e9, 'h'], [60e9, 'm'], [1e9, 's'], [1e6, 'ms'], [1e3, 'µs'],
	[1, 'ns']];

export function digits(v: number): string {
	const a = Math.abs(v);
	if (a === 0) return '0';
	if (a >= 100) return v.toFixed(0);
	if (a >= 10) return v.toFixed(1).replace(/\.0$/, '');
	return v.toFixed(2).replace(/\.?0+$/, '');
}

export function duration(ns: number): string {
	const a = Math.abs(ns);
	if (!isFinite(ns)) return '–';
	if (a >= 3600e9) {
		const h = Math.trunc(ns / 3600e9);
		return `${h}h ${String(Math.floor((a % 3600e9) / 60e9)).padStart(2, '0')}m`;
	}
	if (a >= 60e9) {
		const m = Math.trunc(ns / 60e9);
		return `${m}m ${String(Math.floor((a % 60e9) / 1e9)).padStart(2, '0')}s`;
	}
	for (const [size, unit] of UNITS) if (a >= size) return `${digits(ns / size)} ${unit}`;
	return `${digits(ns)} ns`;
}

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

// A time on the ruler: seconds since the beginning, with as many decimals as the step needs.
export function rulerTime(ns: number, step: number): string {
	const sign = ns < 0 ? '-' : '';
	const a = Math.abs(ns);
	if (step >= 60e9) {
		const m = Math.round(a / 60e9);
		return sign + (m >= 60 ? `${Math.floor(m / 60)}h${String(m % 60).padStart(2, '0')}m` : `${m}m`);
	}
	const decimals = Math.min(9, Math.max(0, Math.ceil(-Math.log10(step / 1e9) - 1e-9)));
	if (a >= 60e9) {
		const m = Math.floor(a / 60e9);
		const s = (a - m * 60e9) / 1e9;
		return `${sign}${m}m${s.toFixed(decimals).padStart(decimals ? decimals + 3 : 2, '0')}s`;
	}
	if (a >= 1e9 || step >= 1e8 || a === 0) return `${sign}${(a / 1e9).toFixed(decimals)}s`;
	if (step >= 1e3) return `${sign}${(a / 1e6).toFixed(Math.max(0, decimals - 3))}ms`;
	return `${sign}${(a / 1e6).toFixed(Math.max(0, decimals - 3))}ms`;
}

export function clock(ms: number): string {
	const d = new Date(ms);
	const two = (n: number) => String(n).padStart(2, '0');
	return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ` +
		`${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}

// "main.(*Cache).refresh" from "github.com/x/y/main.(*Cache).refresh".
export function shortFunc(name: string): string {
	const slash = name.lastIndexOf('/', name.indexOf('(') < 0 ? undefined : name.indexOf('('));
	return slash < 0 ? name : name.slice(slash + 1);
}
