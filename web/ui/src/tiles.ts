// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Tiles of the server's time pyramid (docs/api.md), kept as typed arrays, least recently used first
// out. A tile that was still growing when it came is fetched again while it is looked at.
import { TILE_CELL, TILE_COARSER, TILE_GONE, TILE_HEADER, TILE_KNOWN, TILE_MAGIC, TILE_ROW, TILE_SHIFT } from 'contract';
import { at, getBinary, goidList, int, tellable } from './api';

const CELL_BYTES = TILE_CELL.size;
const CACHE_BYTES = 48e6;
const TILE_BYTES = 500; // of a tile itself, about
const IN_FLIGHT = 4;
const STALE_MS = 150;

export interface RowTile {
	level: number; // of the cells; may be coarser than asked
	start: number; // ns, relative to the origin
	width: number;
	first: number; // where the first bucket begins: before the start, when cells are wider than the tile
	known: number; // up to here, relative
	before: number; // state before the first cell
	exists: boolean;
	coarser: boolean; // than asked: what is finer is no longer kept
	gone: boolean; // something happened, but its events are no longer kept
	n: number;
	cells: Uint8Array;
	view: DataView;
	fetched: number; // when it was asked for, performance.now()
	version: number;
	from: Answer;
}

// The tiles of one answer share its memory: it is free when the last of them goes.
interface Answer {
	bytes: number;
	tiles: number; // that are kept
}

const cellAt = (i: number, field: keyof typeof TILE_CELL) => i * CELL_BYTES + TILE_CELL[field];
export const cellOffset = (t: RowTile, i: number) => t.view.getUint16(cellAt(i, 'bucket'), true);
export const cellDominant = (t: RowTile, i: number) => t.cells[cellAt(i, 'states')] >> 4;
export const cellEnd = (t: RowTile, i: number) => t.cells[cellAt(i, 'states')] & 15;
export const cellFlags = (t: RowTile, i: number) => t.cells[cellAt(i, 'flags')];
export const cellShare = (t: RowTile, i: number, s: number) => t.cells[cellAt(i, 'share') + s];
export const cellTransitions = (t: RowTile, i: number) => t.view.getUint16(cellAt(i, 'transitions'), true);
export const cellAllocs = (t: RowTile, i: number) => t.view.getUint16(cellAt(i, 'allocs'), true);
export const cellBytes = (t: RowTile, i: number) => t.view.getUint32(cellAt(i, 'alloc_bytes'), true);

// The bucket's cell of a time, if something happened in it (-1: nothing), and the state at its end.
export function lookUp(t: RowTile, time: number): { cell: number; state: number } {
	const at = Math.floor((time - t.first) / 2 ** t.level);
	let state = t.before;
	for (let i = 0; i < t.n && cellOffset(t, i) <= at; i++) {
		state = cellEnd(t, i);
		if (cellOffset(t, i) === at) return { cell: i, state };
	}
	return { cell: -1, state };
}

export interface Wanted {
	level: number;
	index: number;
	ids: (number | string)[];
}

// A group's tile is kept under its name; this says who is in it, as arguments for the server.
type GroupQuery = (name: string) => string;

export class TileCache {
	private tiles = new Map<string, RowTile>();
	private bytes = 0;
	private inFlight = new Set<string>();
	private version = 0;
	onArrival: () => void = () => {};
	settledAt = 0; // when a session had been read: what was asked for before may lack something

	constructor(readonly source: string, readonly origin: number, private members: GroupQuery) {}

	static key(level: number, index: number, id: number | string): string {
		return `${level}/${index}/${id}`;
	}

	indexOf(level: number, time: number): number {
		return Math.floor((this.origin + time) / 2 ** (level + TILE_SHIFT));
	}

	startOf(level: number, index: number): number {
		return index * 2 ** (level + TILE_SHIFT) - this.origin;
	}

	get(level: number, index: number, id: number | string): RowTile | undefined {
		const key = TileCache.key(level, index, id);
		const tile = this.tiles.get(key);
		if (tile) { // youngest again
			this.tiles.delete(key);
			this.tiles.set(key, tile);
		}
		return tile;
	}

	clear(): void {
		this.tiles.clear();
		this.bytes = 0;
	}

	get size(): number {
		return this.bytes;
	}

	// Is it missing, or was it still growing and may have grown? `frozen`: nothing grows any more.
	needs(level: number, index: number, id: number | string, frozen: boolean): boolean {
		const tile = this.tiles.get(TileCache.key(level, index, id));
		if (!tile || tile.fetched < this.settledAt) return true;
		return !frozen && tile.known < tile.start + tile.width &&
			performance.now() - tile.fetched > STALE_MS;
	}

	// Asks for what is wanted, in that order, as far as requests may be under way.
	request(wanted: Wanted[]): void {
		for (const w of wanted) {
			const goids = w.ids.filter((id) => typeof id === 'number' && tellable(id)) as number[];
			if (goids.length) this.start(`${w.level}/${w.index}`, w, goids);
			for (const id of w.ids) if (typeof id === 'string') this.start(TileCache.key(w.level, w.index, id), w, [id]);
		}
	}

	private start(name: string, w: Wanted, ids: (number | string)[]): void {
		if (this.inFlight.size >= IN_FLIGHT || this.inFlight.has(name)) return;
		this.inFlight.add(name);
		this.fetch(w, ids.slice(0, 512)).catch(() => {
			// The server is gone or still loading: the next frame asks again.
		}).finally(() => {
			this.inFlight.delete(name);
			this.onArrival();
		});
	}

	private async fetch(w: Wanted, ids: (number | string)[]): Promise<void> {
		const group = typeof ids[0] === 'string' ? ids[0] : null;
		const path = at(this.source, `${group === null ? 'tiles' : 'groups'}/${w.level}/${int(w.index)}?` +
			(group === null ? `goids=${goidList(ids as number[])}` : this.members(group)));
		const asked = performance.now();
		this.take(await getBinary(path), w, group, asked);
	}

	private take(buffer: ArrayBuffer, w: Wanted, group: string | null, fetched: number): void {
		const view = new DataView(buffer), H = TILE_HEADER, R = TILE_ROW;
		if (buffer.byteLength < H.size || view.getUint32(H.magic, true) !== TILE_MAGIC) return;
		const asked = view.getUint16(H.level, true);
		const rows = view.getUint16(H.rows, true);
		const begin = Number(view.getBigUint64(H.begin_ns, true));
		const start = begin - this.origin;
		const known = Number(view.getBigUint64(H.known_ns, true)) - this.origin;
		const from: Answer = { bytes: buffer.byteLength, tiles: 0 };
		let at: number = H.size;
		for (let i = 0; i < rows; i++) {
			const goid = Number(view.getBigUint64(at + R.goid, true));
			const before = view.getUint8(at + R.before);
			const flags = view.getUint8(at + R.flags);
			const n = view.getUint16(at + R.cells, true);
			const coarser = flags >> TILE_COARSER, level = asked + coarser;
			at += R.size;
			this.put(TileCache.key(w.level, w.index, group ?? goid), {
				level, start, first: coarser > TILE_SHIFT ? Math.floor(begin / 2 ** level) * 2 ** level - this.origin : start,
				width: 2 ** (w.level + TILE_SHIFT), known, before,
				exists: !!(flags & TILE_KNOWN), gone: !!(flags & TILE_GONE), coarser: coarser > 0, n,
				cells: new Uint8Array(buffer, at, n * CELL_BYTES),
				view: new DataView(buffer, at, n * CELL_BYTES),
				fetched, version: ++this.version, from,
			});
			at += n * CELL_BYTES;
		}
	}

	private put(key: string, tile: RowTile): void {
		const old = this.tiles.get(key);
		if (old) this.drop(key, old);
		if (!tile.from.tiles++) this.bytes += tile.from.bytes;
		this.tiles.set(key, tile);
		this.bytes += TILE_BYTES;
		for (const [k, t] of this.tiles) {
			if (this.bytes <= CACHE_BYTES) break;
			this.drop(k, t);
		}
	}

	private drop(key: string, tile: RowTile): void {
		this.tiles.delete(key);
		this.bytes -= TILE_BYTES;
		if (!--tile.from.tiles) this.bytes -= tile.from.bytes;
	}
}
