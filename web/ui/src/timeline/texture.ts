// Tiles drawn once into pages of one-bucket-a-pixel strips; a frame copies strips, stretched. So
// panning and zooming cost the same whatever happened in the target.
import type { Palette } from '../colors';
import { cellAllocs, cellDominant, cellEnd, cellFlags, cellOffset, cellShare, CREATED, EXITED, MAP, OBJECT, SLICE,
	TILE_BUCKETS, type RowTile } from '../tiles';
import { NONE, RUNNABLE, RUNNING, SYSCALL, WAITING } from '../types';

const SLOTS = 32;
const PAGES_MAX = 192;
const RENDER_MS = 5; // of a frame

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

// Part of a tile: source x in buckets of its 256, target in device px.
interface Blit {
	key: string;
	tile: RowTile;
	sx: number;
	sw: number;
	dx: number;
	dw: number;
	y: number;
	slot: Slot;
}

export class Textures {
	private pages: HTMLCanvasElement[] = [];
	private slots = new Map<string, Slot>();
	private free: Slot[] = [];
	private look: RowLook = { height: 0, top: 0, bottom: 0, strip: 0, marks: true };
	private palette: Palette | null = null;

	private blits: Blit[] = [];
	private turn = 0;

	// What a frame is going to copy. Nothing is drawn before flush(): a page that is drawn into and
	// copied from by turns is copied whole by the browser each time.
	add(key: string, tile: RowTile, sx: number, sw: number, dx: number, dw: number, y: number): void {
		this.blits.push({ key, tile, sx, sw, dx, dw, y, slot: this.slotOf(key) });
	}

	// Draws what is new for so long at most, then copies all. False: something is left for the next
	// frame. What was never drawn goes first, what is only out of date takes turns.
	flush(to: CanvasRenderingContext2D): boolean {
		const deadline = performance.now() + RENDER_MS;
		const blits = this.blits;
		let left = false;
		for (const b of blits) {
			if (b.slot.version >= 0) continue;
			if (performance.now() < deadline) this.render(b);
			else left = true;
		}
		const stale = blits.filter((b) => b.slot.version >= 0 && b.slot.version !== b.tile.version);
		for (let i = 0; i < stale.length; i++) {
			if (performance.now() >= deadline) {
				left = true;
				this.turn += i;
				break;
			}
			this.render(stale[(this.turn + i) % stale.length]);
		}
		const height = this.look.height;
		for (const b of blits)
			if (b.slot.version >= 0 && b.slot.key === b.key)
				to.drawImage(this.pages[b.slot.page], b.sx, b.slot.index * height, b.sw, height, b.dx, b.y, b.dw, height);
		this.blits = [];
		return !left;
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

	private slotOf(key: string): Slot {
		const slot = this.slots.get(key);
		if (!slot) return this.take(key);
		this.slots.delete(key); // youngest again
		this.slots.set(key, slot);
		return slot;
	}

	private render({ slot, tile }: Blit): void {
		const ctx = this.pages[slot.page].getContext('2d')!;
		const y = slot.index * this.look.height;
		slot.version = tile.version;
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
		// Shares are of the whole bucket: of one that is not over yet, what is known is all there is.
		const begin = tile.first + cellOffset(tile, i) * 2 ** tile.level;
		const part = Math.min(1, Math.max(1e-9, (tile.known - begin) / 2 ** tile.level));
		const shareOf = (s: number) => Math.min(255, cellShare(tile, i, s) / part);
		for (let s = 0; s < 4; s++) {
			const share = shareOf(s);
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
			if (cellFlags(tile, i) & (CREATED | EXITED)) { // a short life is seen, too
				ctx.fillStyle = this.palette!.state[SHARE_STATES[best]];
				ctx.fillRect(x, y + bottom - Math.round(full * OTHER_HEIGHT), Math.max(1, w), Math.round(full * OTHER_HEIGHT));
			}
			if (shareOf(3) > 8) this.pure(ctx, x, w, y, WAITING);
			let base = y + bottom;
			for (const s of STACK_ORDER) {
				const share = shareOf(s);
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
