// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Colours: those of states and allocations are the server's settings or ours, the rest is the theme's.
import { UNKNOWN, WAITING, WAIT_KINDS } from 'contract';
import type { Config, UiSettings } from './types';
import { kindOf, kindShown } from './waitkind';

// What states, kinds of waiting and allocations look like, whoever chose it.
export interface Look {
	state: string[]; // by state number
	wait: string[]; // by number of WAIT_KINDS
	type: Record<string, string>; // by event type
}

// Ours, one for each theme. Acting is strong, waiting is calm. Each colour has a contrast of 3:1 at
// least on every ground it stands on, and those that stand for things of one kind stay apart for the
// colour-blind, too: tests/ui/colors.mjs computes both.
export const OURS: Record<'light' | 'dark', Look> = {
	light: {
		state: ['#676b73', '#c37400', '#129670', '#1c5fa5', '#807a61', '#676b73', '#676b73', '#676b73', '#129670', '#725200', '#a3123a', '#676b73', '#676b73'],
		wait: ['#807a61', '#9758a7', '#647bd0', '#449183', '#585c6a', '#7b859e', '#8a4f2a'],
		type: { makeslice: '#1c5fa5', makemap: '#9758a7', newobject: '#c37400' },
	},
	dark: {
		state: ['#8d929b', '#f0a03c', '#3ed7a7', '#4f9df0', '#a6a07f', '#8d929b', '#8d929b', '#8d929b', '#3ed7a7', '#f5e08a', '#f0566f', '#8d929b', '#8d929b'],
		wait: ['#a6a07f', '#ae70b5', '#879ddd', '#54aba4', '#b9c0cd', '#7c787e', '#b47a4a'],
		type: { makeslice: '#4f9df0', makemap: '#ae70b5', newobject: '#f0a03c' },
	},
};

export function lookOf(config: Config, settings: UiSettings, dark: boolean): Look {
	const ours = settings.palette === 'server' ? null : OURS[dark ? 'dark' : 'light'];
	const state = Array.from({ length: 16 }, (_, i) => (ours ? ours.state[i] : config.state_colors[i]) ?? '#94a3b8');
	return {
		state,
		wait: ours ? ours.wait : WAIT_KINDS.map(() => state[WAITING]), // the original's have one for all
		type: { makeslice: '#3b82f6', makemap: '#8b5cf6', newobject: '#06b6d4', casgstatus: '#64748b', newgoroutine: '#16a34a', goexit: '#dc2626',
			...(ours ? ours.type : config.type_colors) },
	};
}

// The colour of what is shown so (waitkind.ts).
const colorOf = (look: Pick<Look, 'state' | 'wait'>, shown: number) => look.wait[kindShown(shown)] ?? look.state[shown];

// A state beside its word, as CSS paints it: the one that is not known is striped, as on the timeline.
export const swatch = (look: Pick<Look, 'state' | 'wait'>, which: number, reason = '') =>
	(which === UNKNOWN ? `repeating-linear-gradient(135deg, ${look.state[UNKNOWN]} 0 2px, transparent 2px 4px)` : which === WAITING ? look.wait[kindOf(reason)] : look.state[which]);

export interface Palette {
	state: string[]; // by state number
	wait: string[]; // by kind of waiting
	cell: string[]; // by what a cell has: states and kinds of waiting
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
		wait: look.wait,
		cell: Array.from({ length: 16 }, (_, shown) => colorOf(look, shown)),
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

// WCAG 2: relative luminance and contrast.
function luminance(color: string): number {
	const c = [1, 3, 5].map((i) => parseInt(color.slice(i, i + 2), 16) / 255)
		.map((x) => (x <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4));
	return 0.2126 * c[0] + 0.7152 * c[1] + 0.0722 * c[2];
}

export function contrast(a: string, b: string): number {
	const [x, y] = [luminance(a), luminance(b)];
	return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
}

// Black or white text, whichever reads better on a colour: 4.58:1 at least.
export const textOn = (color: string) => (contrast(color, '#000000') >= contrast(color, '#ffffff') ? '#000000' : '#ffffff');

let pixel: CanvasRenderingContext2D | null = null;

// A CSS colour as ImageData has it, read as one little-endian number.
export function rgba(color: string): number {
	pixel ??= document.createElement('canvas').getContext('2d', { willReadFrequently: true })!;
	pixel.fillStyle = color;
	pixel.fillRect(0, 0, 1, 1);
	const [r, g, b] = pixel.getImageData(0, 0, 1, 1).data;
	return (0xff << 24 | b << 16 | g << 8 | r) >>> 0;
}
