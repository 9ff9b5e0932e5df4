// Colours: those of states and allocations are the server's settings, the rest is the theme's.
import type { Config } from './types';

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

export function palette(config: Config): Palette {
	const css = getComputedStyle(document.documentElement);
	const v = (name: string) => css.getPropertyValue(name).trim();
	const state: string[] = [];
	for (let i = 0; i < 16; i++) state.push(config.state_colors[String(i)] ?? '#94a3b8');
	return {
		state,
		slice: config.type_colors.makeslice ?? '#3b82f6',
		map: config.type_colors.makemap ?? '#8b5cf6',
		object: config.type_colors.newobject ?? '#06b6d4',
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
