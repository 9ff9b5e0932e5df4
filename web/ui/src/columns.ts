// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Where the table's goroutines are kept: numbers side by side in blocks, 176 bytes a goroutine, whatever
// the browser makes of objects; 500,000 of them are 88 MB and nothing for its garbage collector. A
// StoredRow is where one of them is. It stays the same while its numbers are moved or told anew; one that
// was dropped keeps what it had for who still has it.
import { ROW, type PackedRow } from 'contract';
import { goidOf } from './format';
import { NO_LANE } from './lanes';
import type { Row } from './types';

const BLOCK = Symbol('block'), AT = Symbol('at'); // no one's to print

const BLOCK_ROWS = 2048;
const DOUBLES = 18, STRIDE = 22; // of 64 bits; the last four are halves in pairs

interface Block {
	f: Float64Array;
	u: Uint32Array; // the same memory
	used: number;
	texts: string[]; // of the table
}

export class StoredRow implements Row {
	private [BLOCK]: Block;
	private [AT]: number;

	constructor(block: Block, at: number) {
		this[BLOCK] = block;
		this[AT] = at;
	}

	private f(k: number): number {
		return this[BLOCK].f[this[AT] + k];
	}

	private u(k: number): number {
		return this[BLOCK].u[2 * (this[AT] + DOUBLES) + k];
	}

	get goid() { return this.f(0); }
	get parent() { return this.f(1); }
	get since() { return this.f(2); }
	get began() { return this.f(3); }
	get created() { return this.f(4); }
	get exited() { return this.f(5); }
	get last() { return this.f(6); }
	get wokenBy() { return this.f(7); }
	get events() { return this.f(8); }
	get slices() { return this.f(9); }
	get maps() { return this.f(10); }
	get objects() { return this.f(11); }
	get bytes() { return this.f(12); }
	get running() { return this.f(13); }
	get runnable() { return this.f(14); }
	get syscall() { return this.f(15); }
	get waiting() { return this.f(16); }
	get runnableMax() { return this.f(17); }
	get children() { return this.u(0); }
	get state() { return this.u(1) & 0xff; }
	get flags() { return this.u(1) >>> 8; }
	get reason() { return this[BLOCK].texts[this.u(2)]; }
	get func() { return this[BLOCK].texts[this.u(3)]; }
	get site() { return this[BLOCK].texts[this.u(4)]; }
	get lane() { return this.u(5) | 0; }
	get place() { return this.u(6); }
	get seen() { return this.u(7); }

	set lane(lane: number) { this.put(5, lane); }
	set place(place: number) { this.put(6, place); }
	set seen(answer: number) { this.put(7, answer); }

	private put(k: number, value: number): void {
		this[BLOCK].u[2 * (this[AT] + DOUBLES) + k] = value;
	}

	moveTo(block: Block, at: number): void {
		block.f.set(this[BLOCK].f.subarray(this[AT], this[AT] + STRIDE), at);
		this[BLOCK] = block;
		this[AT] = at;
	}

	// What an answer says of it; times become those since `origin`, texts ours. True: it is another life than before.
	take(r: PackedRow, origin: number, ours: ArrayLike<number>): boolean {
		const { f, u } = this[BLOCK], a = this[AT], h = 2 * (a + DOUBLES);
		const time = (t: number) => (t ? t - origin : 0);
		const created = time(r[ROW.created]), another = f[a + 4] !== created || u[h + 3] !== ours[r[ROW.func]];
		f[a] = goidOf(r[ROW.goid]);
		f[a + 1] = r[ROW.parent];
		f[a + 2] = time(r[ROW.since]);
		f[a + 3] = time(r[ROW.began]);
		f[a + 4] = created;
		f[a + 5] = time(r[ROW.exited]);
		f[a + 6] = time(r[ROW.last]);
		f[a + 7] = r[ROW.woken_by];
		f[a + 8] = r[ROW.events];
		f[a + 9] = r[ROW.slices];
		f[a + 10] = r[ROW.maps];
		f[a + 11] = r[ROW.objects];
		f[a + 12] = r[ROW.bytes];
		f[a + 13] = r[ROW.running];
		f[a + 14] = r[ROW.runnable];
		f[a + 15] = r[ROW.syscall];
		f[a + 16] = r[ROW.waiting];
		f[a + 17] = r[ROW.runnable_max];
		u[h] = r[ROW.children];
		u[h + 1] = r[ROW.state] | r[ROW.flags] << 8;
		u[h + 2] = ours[r[ROW.reason]];
		u[h + 3] = ours[r[ROW.func]];
		u[h + 4] = ours[r[ROW.site]];
		return another;
	}
}

// Rows of one table.
export class Columns {
	private block: Block | null = null;
	private blocks = 0; // all that have a row of the table
	private texts: string[] = [];
	private numbers = new Map<string, number>();

	// Where the texts of an answer are among ours.
	intern(texts: string[]): Uint32Array {
		return Uint32Array.from(texts, (text) => {
			let n = this.numbers.get(text);
			if (n === undefined) {
				this.numbers.set(text, n = this.texts.length);
				this.texts.push(text);
			}
			return n;
		});
	}

	add(): StoredRow {
		const row = new StoredRow(...this.room());
		row.lane = NO_LANE;
		return row;
	}

	// Those that were dropped leave holes, which nobody else gets: somebody may still look at them. Where there are
	// more holes than rows, these move together, and the blocks that they leave are the browser's to free.
	compact(rows: Map<number, StoredRow>): void {
		if (this.blocks * BLOCK_ROWS <= 2 * rows.size + BLOCK_ROWS) return;
		this.block = null;
		this.blocks = 0;
		for (const row of rows.values()) row.moveTo(...this.room());
	}

	private room(): [Block, number] {
		let block = this.block;
		if (!block || block.used === BLOCK_ROWS) {
			const f = new Float64Array(BLOCK_ROWS * STRIDE);
			this.block = block = { f, u: new Uint32Array(f.buffer), used: 0, texts: this.texts };
			this.blocks++;
		}
		return [block, block.used++ * STRIDE];
	}
}
