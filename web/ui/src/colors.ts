// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Colours: those of states and allocations are the server's settings or ours, the rest is the theme's.
import { UNKNOWN } from 'contract';
import type { Config, UiSettings } from './types';

// What states and allocations look like, whoever chose it.
export interface Look {
	state: string[]; // by state number
	type: Record<string, string>; // by event type
}

// Colours that stay apart for the colour-blind: Okabe and Ito, "Color Universal Design" (2008), and
// two greys. Running, runnable, syscall and waiting also differ in lightness.
const SAFE: Look = {
	state: ['#999999', '#e69f00', '#009e73', '#56b4e9', '#0072b2', '#d55e00', '#666666', '#f0e442', '#cc79a7', '#f0e442', '#d55e00', '#666666', '#888888'],
	type: { makeslice: '#0072b2', makemap: '#cc79a7', newobject: '#e69f00' },
};

export function lookOf(config: Config, settings: UiSettings): Look {
	const safe = settings.palette === 'safe';
	return {
		state: Array.from({ length: 16 }, (_, i) => (safe ? SAFE.state[i] : config.state_colors[i]) ?? '#94a3b8'),
		type: { makeslice: '#3b82f6', makemap: '#8b5cf6', newobject: '#06b6d4', casgstatus: '#64748b', newgoroutine: '#16a34a', goexit: '#dc2626',
			...(safe ? SAFE.type : config.type_colors) },
	};
}

// A state beside its word, as CSS paints it: the one that is not known is striped, as on the timeline.
export const swatch = ({ state }: { state: string[] }, which: number) =>
	(which === UNKNOWN ? `repeating-linear-gradient(135deg, ${state[UNKNOWN]} 0 2px, transparent 2px 4px)` : state[which]);

export interface Palette {
	state: string[]; // by state number
	slice: string;
	map: string;
	object: string;
	background: string;
	stripe: string;
	line: string;
	text: string;
	muted: string;
	accent: string;
	selection: string;
	danger: string;
}

export function palette(look: Look): Palette {
	const css = getComputedStyle(document.documentElement);
	const v = (name: string) => css.getPropertyValue(name).trim();
	return {
		state: look.state,
		slice: look.type.makeslice,
		map: look.type.makemap,
		object: look.type.newobject,
		background: v('--bg'),
		stripe: v('--stripe'),
		line: v('--line'),
		text: v('--text'),
		muted: v('--muted'),
		accent: v('--accent'),
		selection: v('--selected'),
		danger: v('--danger'),
	};
}

// So much of one colour over another; both as #rrggbb.
export function mix(over: string, under: string, share: number): string {
	const part = (at: number) => {
		const [a, b] = [over, under].map((c) => parseInt(c.slice(at, at + 2), 16));
		return Math.round(b + (a - b) * share).toString(16).padStart(2, '0');
	};
	return `#${part(1)}${part(3)}${part(5)}`;
}

// Dark or light text, whichever reads better on a colour (WCAG relative luminance).
export function textOn(color: string): string {
	const c = [1, 3, 5].map((i) => parseInt(color.slice(i, i + 2), 16) / 255)
		.map((x) => (x <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4));
	const luminance = 0.2126 * c[0] + 0.7152 * c[1] + 0.0722 * c[2];
	return luminance > 0.18 ? '#111' : '#fff';
}

let pixel: CanvasRenderingContext2D | null = null;

// A CSS colour as ImageData has it, read as one little-endian number.
export function rgba(color: string): number {
	pixel ??= document.createElement('canvas').getContext('2d', { willReadFrequently: true })!;
	pixel.fillStyle = color;
	pixel.fillRect(0, 0, 1, 1);
	const [r, g, b] = pixel.getImageData(0, 0, 1, 1).data;
	return (0xff << 24 | b << 16 | g << 8 | r) >>> 0;
}
