// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What is known of the timeline by who draws a part of it, or is told of a key or a row; the timeline
// itself (engine.ts) knows them.
import type { Stay } from 'contract';
import type { Palette } from '../colors';
import type { Lane } from '../lanes';
import type { Entry } from '../rows';
import type { Edge, Series } from '../types';
import type { Viewport } from './viewport';

export const RULER = 26; // height, CSS px

// Where the choice of the clock stands in the column of labels: beside the count of rows, in its place where both have no room.
const CLOCK_PX = 92;
export const clockLeft = (labels: number) => (labels < 150 ? 12 : Math.max(58, labels - CLOCK_PX));

// Device px, a row high.
export interface Box {
	x: number;
	width: number;
	y: number;
}

export interface Hit {
	entry: Entry | null; // in a lane, the life that is there
	lane: Lane | null;
	time: number;
	x: number;
	y: number;
	area: 'label' | 'rows' | 'ruler';
}

export interface Scene {
	readonly canvas: HTMLCanvasElement;
	readonly view: Viewport;
	readonly colors: Palette;
	readonly labels: number; // width of the label column
	readonly dpr: number;
	readonly rowHeight: number;
	readonly entries: Entry[];
	readonly hover: Hit | null;
	readonly rangeDraft: { from: number; to: number } | null;
	readonly zoomBox: { x0: number; x1: number } | null;
	readonly edges: Edge[];
	readonly stays: Stay[]; // those that are wide enough for a text
	readonly staysAt: number; // when they were asked for
	readonly said: string[]; // the texts in spans, of this frame
	readonly series: Series | null; // of the visible time, for loss
	rowTop(i: number): number;
	indexOf(goid: number): number; // of its entry; -1: none
}

// What the rest of the page may ask of the timeline that is on screen.
export interface Shown {
	readonly canvas: HTMLCanvasElement;
	readonly view: Viewport;
	redraw(): void;
	reveal(goid: number): void;
	fit(): void;
	onKey(e: KeyboardEvent): boolean; // true: it meant something here
	pointed(): { goid: number; time: number } | null; // whose row the pointer is on, and when
}

export let current: Shown | null = null;

export function setCurrent(timeline: Shown | null): void {
	current = timeline;
}
