// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Tiles drawn once into pages of one-bucket-a-pixel strips; a frame copies strips, stretched. So
// panning and zooming cost the same whatever happened in the target.
import type { Palette } from '../colors';
import { TILE_BUCKETS } from 'contract';
import type { RowTile } from '../tiles';
import { Strip, type RowLook } from './strip';

const SLOTS = 32;
const PAGES_MAX = 64; // 42 MB on a screen of one device px a px
const RENDER_MS = 5; // of a frame

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
	private strip: Strip | null = null;

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
		this.strip = new Strip(look, palette);
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
		slot.version = tile.version;
		this.pages[slot.page].getContext('2d')!.putImageData(this.strip!.draw(tile), 0, slot.index * this.look.height);
	}
}
