// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A tile as pixels: one bucket a pixel wide, as high as a row. Written into memory rather than drawn
// by the canvas, which takes ten times as long for so many small rectangles.
import { rgba } from '../colors';
import type { Palette } from '../colors';
import { CELL_CREATED, CELL_EXITED, CELL_MAP, CELL_OBJECT, CELL_SLICE, NONE, RUNNABLE, RUNNING, SHARE_STATES, SYSCALL, TILE_BUCKETS, UNKNOWN, WAITING } from 'contract';
import { stateOf } from '../waitkind';
import { cellAllocs, cellDominant, cellEnd, cellFlags, cellOffset, cellShare, type RowTile } from '../tiles';

// How high a state stands in its row: the same order without any colour.
const HEIGHTS: Record<number, number> = { [RUNNING]: 1, [SYSCALL]: 0.74, [RUNNABLE]: 0.5, [WAITING]: 0.14 };
const OTHER_HEIGHT = 0.36;
const STACK_ORDER = [RUNNING, SYSCALL, RUNNABLE].map((s) => SHARE_STATES.indexOf(s)); // from the bottom
const PURE = 230; // of 255
const LEAST = 2; // px
const WAITING_SHARE = SHARE_STATES.indexOf(WAITING);

export interface RowLook {
	height: number; // device px of the whole row
	top: number; // of the state area
	bottom: number;
	strip: number; // height of the allocation strip below, 0 = none
	marks: boolean;
}

export function stateHeight(state: number, marks: boolean): number {
	if (!marks) return state === WAITING ? 0.34 : 1;
	return HEIGHTS[state] ?? OTHER_HEIGHT;
}

export class Strip {
	readonly image: ImageData;
	private pixels: Uint32Array;
	private state: number[]; // colours as the pixels have them, by what a cell has
	private heights: number[];
	private muted: number;
	private kinds: [number, number][]; // flag of a cell, colour

	constructor(private look: RowLook, palette: Palette) {
		this.image = new ImageData(TILE_BUCKETS, Math.max(1, look.height));
		this.pixels = new Uint32Array(this.image.data.buffer);
		this.state = palette.cell.map(rgba);
		this.heights = palette.cell.map((_, s) => Math.max(2, Math.round((look.bottom - look.top) * stateHeight(stateOf(s), look.marks))));
		this.muted = rgba(palette.muted);
		this.kinds = [[CELL_SLICE, rgba(palette.slice)], [CELL_MAP, rgba(palette.map)], [CELL_OBJECT, rgba(palette.object)]];
	}

	draw(tile: RowTile): ImageData {
		this.pixels.fill(0);
		const columns = Math.max(1, Math.round(tile.width / 2 ** tile.level));
		const step = TILE_BUCKETS / columns;
		const last = Math.ceil(Math.max(0, Math.min(TILE_BUCKETS, (tile.known - tile.start) / tile.width * TILE_BUCKETS)));
		let state = tile.before, at = 0;
		for (let i = 0; i < tile.n; i++) {
			const offset = cellOffset(tile, i);
			if (offset > at) this.pure(at * step, (offset - at) * step, state);
			this.cell(tile, i, offset * step, step);
			state = cellEnd(tile, i);
			at = offset + 1;
		}
		if (last > at * step) this.pure(at * step, last - at * step, state);
		return this.image;
	}

	private fill(x: number, w: number, y: number, h: number, color: number): void {
		const end = Math.min(TILE_BUCKETS, x + w), below = Math.min(this.look.height, y + h);
		for (let row = Math.max(0, y); row < below; row++) this.pixels.fill(color, row * TILE_BUCKETS + x, row * TILE_BUCKETS + end);
	}

	private pure(x: number, w: number, state: number): void {
		if (state === NONE || w <= 0) return;
		const h = this.heights[state];
		if (state === UNKNOWN) return this.hatch(x, w, h);
		this.fill(x, w, this.look.bottom - h, h, this.state[state]);
	}

	// Not known in which state: stripes, which no state has.
	private hatch(x: number, w: number, h: number): void {
		const end = Math.min(TILE_BUCKETS, x + w), { bottom } = this.look;
		for (let row = Math.max(0, bottom - h); row < bottom; row++)
			for (let column = x; column < end; column++)
				if ((column + row) % 6 < 2) this.pixels[row * TILE_BUCKETS + column] = this.state[UNKNOWN];
	}

	private cell(tile: RowTile, i: number, x: number, w: number): void {
		const { top, bottom } = this.look;
		const full = bottom - top, dominant = cellDominant(tile, i);
		// Which kind of waiting its share is of, as far as a cell says it.
		const waiting = [dominant, cellEnd(tile, i)].find((s) => stateOf(s) === WAITING) ?? WAITING;
		// Shares are of the whole bucket: of one that is not over yet, what is known is all there is.
		const begin = tile.first + cellOffset(tile, i) * 2 ** tile.level;
		const part = Math.min(1, Math.max(1e-9, (tile.known - begin) / 2 ** tile.level));
		const shares = SHARE_STATES.map((_, s) => Math.min(255, cellShare(tile, i, s) / part));
		const best = shares.indexOf(Math.max(...shares)), n = shares.filter((s) => s > 0).length;
		if (!n) {
			this.pure(x, w, dominant);
			if (dominant === NONE) // it came and went too quickly for a share of the time
				this.fill(x, w, Math.round(top + full / 2), Math.round(full / 2), this.muted);
		} else if (n === 1 && shares[best] >= PURE) {
			this.pure(x, w, best === WAITING_SHARE ? waiting : SHARE_STATES[best]);
		} else {
			if (cellFlags(tile, i) & (CELL_CREATED | CELL_EXITED)) { // a short life is seen, too
				const h = Math.round(full * OTHER_HEIGHT);
				this.fill(x, w, bottom - h, h, this.state[best === WAITING_SHARE ? waiting : SHARE_STATES[best]]);
			}
			if (dominant === UNKNOWN) this.pure(x, w, UNKNOWN);
			this.stack(shares, waiting, x, w);
		}
		if (this.look.strip) this.allocations(tile, i, x, w);
	}

	// Each state that was there at all has its part, and a pixel at least: waiting the line at the
	// bottom, as it has alone, the others as high as their share of what is above it.
	private stack(shares: number[], waiting: number, x: number, w: number): void {
		const { top, bottom } = this.look;
		const others = STACK_ORDER.filter((s) => shares[s] > 0);
		let base = bottom;
		if (shares[WAITING_SHARE] > 0) {
			const h = others.length ? Math.min(LEAST, bottom - top) : this.heights[WAITING];
			this.fill(x, w, base - h, h, this.state[waiting]);
			base -= h;
		}
		others.forEach((s, k) => {
			const room = base - top - (others.length - 1 - k); // a pixel is left for each that follows
			const h = Math.max(1, Math.min(room, Math.max(LEAST, Math.round((bottom - top) * shares[s] / 255))));
			this.fill(x, w, base - h, h, this.state[SHARE_STATES[s]]);
			base -= h;
		});
	}

	private allocations(tile: RowTile, i: number, x: number, w: number): void {
		const allocs = cellAllocs(tile, i);
		if (!allocs) return;
		const { bottom, strip } = this.look;
		const flags = cellFlags(tile, i);
		let n = 0, at = 0;
		for (const [flag] of this.kinds) if (flags & flag) n++;
		const alpha = Math.round(255 * Math.min(1, 0.45 + 0.15 * Math.log2(allocs + 1))) << 24;
		for (const [flag, color] of this.kinds) {
			if (!(flags & flag)) continue;
			const y = Math.round(at * strip / n), h = Math.max(1, Math.round((at + 1) * strip / n) - y);
			this.fill(x, w, bottom + 1 + y, h, color & 0xffffff | alpha);
			at++;
		}
	}
}
