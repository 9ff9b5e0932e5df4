// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Goroutines that lived shortly and have exited share rows: those of one function whose lives do not
// overlap stand behind each other in a lane, so that 200,000 of them are a few rows. A life keeps its
// lane once it has one; lanes that are low are filled first.
import { FOUND } from 'contract';
import type { Row } from './types';

export const SHORT_NS = 10e9; // what lives longer keeps a row of its own
export const NO_LANE = -1;

// When each lane of one function is free again; the lowest that is free at a time is found by a tree
// of minima, for a burst may need many thousands.
class Ends {
	private size = 1;
	private tree = [Infinity, 0];

	// The lowest lane that is free from `from` on; it is taken until `to`.
	take(from: number, to: number): number {
		if (this.tree[1] > from) this.grow();
		let at = 1;
		while (at < this.size) at = this.tree[2 * at] <= from ? 2 * at : 2 * at + 1;
		const lane = at - this.size;
		for (this.tree[at] = to, at >>= 1; at; at >>= 1) this.tree[at] = Math.min(this.tree[2 * at], this.tree[2 * at + 1]);
		return lane;
	}

	private grow(): void {
		const leaves = this.tree.slice(this.size);
		this.size *= 2;
		this.tree = new Array<number>(2 * this.size).fill(-Infinity);
		leaves.forEach((end, i) => { this.tree[this.size + i] = end; });
		for (let at = this.size - 1; at; at--) this.tree[at] = Math.min(this.tree[2 * at], this.tree[2 * at + 1]);
	}
}

export class Lanes {
	private ends = new Map<string, Ends>();

	// Of rows that have exited since the last time.
	assign(rows: Row[]): void {
		const short = rows.filter((r) => r.exited && r.exited - r.created < SHORT_NS && !(r.flags & FOUND));
		for (const row of short.sort((a, b) => a.exited - b.exited || a.created - b.created)) {
			let ends = this.ends.get(row.func);
			if (!ends) this.ends.set(row.func, ends = new Ends());
			row.lane = ends.take(row.created, row.exited);
		}
	}
}

export interface Lane {
	key: string;
	func: string;
	rows: Row[]; // by when they began; none overlap
}

// The first whose life is not over before a time.
export function firstAt(lane: Lane, time: number): number {
	let low = 0, high = lane.rows.length;
	while (low < high) {
		const middle = (low + high) >> 1;
		if (lane.rows[middle].exited < time) low = middle + 1;
		else high = middle;
	}
	return low;
}

// Lanes of these, which all have one; those of the function of which there are most come first.
export function lanesOf(rows: Row[], within: string): Lane[] {
	const lanes = new Map<string, Lane>(), count = new Map<string, number>();
	for (const row of rows) {
		const key = laneKey(row, within);
		const lane = lanes.get(key);
		if (lane) lane.rows.push(row);
		else lanes.set(key, { key, func: row.func, rows: [row] });
		count.set(row.func, (count.get(row.func) ?? 0) + 1);
	}
	for (const lane of lanes.values()) lane.rows.sort((a, b) => a.created - b.created);
	return [...lanes.values()].sort((a, b) => count.get(b.func)! - count.get(a.func)! || (a.func < b.func ? -1 : a.func > b.func ? 1 : 0) ||
		a.rows[0].lane - b.rows[0].lane);
}

export const laneKey = (row: Row, within: string) => `${row.lane}/${within}/${row.func}`;
