// Tiles drawn once into pages of one-bucket-a-pixel strips; a frame copies strips, stretched. So
// panning and zooming cost the same whatever happened in the target.
import type { Palette } from '../colors';
import { cellAllocs, cellDominant, cellEnd, cellFlags, cellOffset, cellShare, MAP, OBJECT, SLICE,
	TILE_BUCKETS, type RowTile } from '../tiles';
import { NONE, RUNNABLE, RUNNING, SYSCALL, WAITING } from '../types';

const SLOTS = 64;
const PAGES_MAX = 96;
const RENDER_MS = 5;

// How high a state stands in its row: the same order without any colour.
const HEIGHTS: Record<number, number> = { [RUNNING]: 1, [SYSCALL]: 0.74, [RUNNABLE]: 0.5, [WAITING]: 0.14 };
const OTHER_HEIGHT = 0.36;
const SHARE_STATES = [RUNNING, RUNNABLE, SYSCALL, WAITING];
const STACK_ORDER = [0, 2, 1]; // running, syscall, runnable from the bottom

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

interface Slot {
	page: number;
	index: number;
	key: string;
	version: number;
}

export class Textures {
	private pages: HTMLCanvasElement[] = [];
	private slots = new Map<string, Slot>();
	private free: Slot[] = [];
	private look: RowLook = { height: 0, top: 0, bottom: 0, strip: 0, marks: true };
	private palette: Palette | null = null;

	private deadline = 0;
	private behind = false;

	// A frame draws tiles anew for so long only; what is left over waits for the next.
	beginFrame(): void {
		this.deadline = performance.now() + RENDER_MS;
		this.behind = false;
	}

	// Something was left for the next frame.
	get unfinished(): boolean {
		return this.behind;
	}

	// A new look or new colours: everything is drawn again.
	configure(look: RowLook, palette: Palette): void {
		if (palette === this.palette && JSON.stringify(look) === JSON.stringify(this.look)) return;
		this.look = look;
		this.palette = palette;
		this.pages = [];
		this.slots.clear();
		this.free = [];
	}

	private take(key: string): Slot {
		let slot = this.free.pop();
		if (!slot && this.pages.length < PAGES_MAX) {
			const canvas = document.createElement('canvas');
			canvas.width = TILE_BUCKETS;
			canvas.height = this.look.height * SLOTS;
			this.pages.push(canvas);
			for (let i = SLOTS - 1; i >= 0; i--)
				this.free.push({ page: this.pages.length - 1, index: i, key: '', version: -1 });
			slot = this.free.pop();
		}
		if (!slot) {
			const oldest = this.slots.keys().next().value as string;
			slot = this.slots.get(oldest)!;
			this.slots.delete(oldest);
		}
		slot.key = key;
		slot.version = -1;
		this.slots.set(key, slot);
		return slot;
	}

	// Copies part of a tile: source x in buckets of the tile's 256, target in device px.
	draw(to: CanvasRenderingContext2D, key: string, tile: RowTile, sx: number, sw: number,
		dx: number, dw: number, y: number): void {
		let slot = this.slots.get(key);
		if (slot) {
			this.slots.delete(key);
			this.slots.set(key, slot);
		} else {
			slot = this.take(key);
		}
		const page = this.pages[slot.page];
		if (slot.version !== tile.version) {
			if (performance.now() < this.deadline) {
				this.render(page, slot.index * this.look.height, tile);
				slot.version = tile.version;
			} else {
				this.behind = true;
				if (slot.version < 0) return;
			}
		}
		to.drawImage(page, sx, slot.index * this.look.height, sw, this.look.height, dx, y, dw,
			this.look.height);
	}

	private render(page: HTMLCanvasElement, y: number, tile: RowTile): void {
		const ctx = page.getContext('2d')!;
		ctx.clearRect(0, y, TILE_BUCKETS, this.look.height);
		const columns = Math.max(1, Math.round(tile.width / 2 ** tile.level));
		const step = TILE_BUCKETS / columns;
		const last = Math.max(0, Math.min(TILE_BUCKETS, (tile.known - tile.start) / tile.width * TILE_BUCKETS));
		let state = tile.before, at = 0;
		for (let i = 0; i < tile.n; i++) {
			const offset = cellOffset(tile, i);
			if (offset > at) this.pure(ctx, at * step, (offset - at) * step, y, state);
			this.cell(ctx, tile, i, offset * step, step, y);
			state = cellEnd(tile, i);
			at = offset + 1;
		}
		const end = Math.max(at * step, last);
		if (end > at * step) this.pure(ctx, at * step, end - at * step, y, state);
	}

	private pure(ctx: CanvasRenderingContext2D, x: number, w: number, y: number, state: number): void {
		if (state === NONE || w <= 0) return;
		const { top, bottom, marks } = this.look;
		const h = Math.max(2, Math.round((bottom - top) * stateHeight(state, marks)));
		ctx.fillStyle = this.palette!.state[state];
		ctx.fillRect(x, y + bottom - h, w, h);
	}

	private cell(ctx: CanvasRenderingContext2D, tile: RowTile, i: number, x: number, w: number,
		y: number): void {
		const { top, bottom } = this.look;
		const full = bottom - top;
		let best = -1, bestShare = 0;
		for (let s = 0; s < 4; s++) {
			const share = cellShare(tile, i, s);
			if (share > bestShare) {
				best = s;
				bestShare = share;
			}
		}
		if (best < 0) {
			this.pure(ctx, x, w, y, cellDominant(tile, i));
			if (cellDominant(tile, i) === NONE) { // it came and went too quickly for a share of the time
				ctx.fillStyle = this.palette!.muted;
				ctx.fillRect(x, y + top + full / 2, Math.max(1, w), full / 2);
			}
		} else if (bestShare >= 230) {
			this.pure(ctx, x, w, y, SHARE_STATES[best]);
		} else {
			if (cellShare(tile, i, 3) > 8) this.pure(ctx, x, w, y, WAITING);
			let base = y + bottom;
			for (const s of STACK_ORDER) {
				const share = cellShare(tile, i, s);
				if (!share) continue;
				const h = Math.max(1, Math.round(full * share / 255));
				ctx.fillStyle = this.palette!.state[SHARE_STATES[s]];
				ctx.fillRect(x, Math.max(y + top, base - h), w, h);
				base -= h;
			}
		}
		this.allocations(ctx, tile, i, x, w, y);
	}

	private allocations(ctx: CanvasRenderingContext2D, tile: RowTile, i: number, x: number, w: number,
		y: number): void {
		const { bottom, strip } = this.look;
		const allocs = strip ? cellAllocs(tile, i) : 0;
		if (!allocs) return;
		const flags = cellFlags(tile, i);
		const kinds = [[SLICE, this.palette!.slice], [MAP, this.palette!.map],
			[OBJECT, this.palette!.object]].filter(([flag]) => flags & (flag as number));
		const h = strip / Math.max(1, kinds.length);
		ctx.globalAlpha = Math.min(1, 0.45 + 0.15 * Math.log2(allocs + 1));
		kinds.forEach(([, color], k) => {
			ctx.fillStyle = color as string;
			ctx.fillRect(x, y + bottom + 1 + k * h, w, Math.max(1, h));
		});
		ctx.globalAlpha = 1;
	}
}
