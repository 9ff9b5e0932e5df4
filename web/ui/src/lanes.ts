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

// Is a life among those of a lane?
export function inLane(lane: Lane, row: Row): boolean {
	for (let i = firstAt(lane, row.exited); lane.rows[i]?.exited === row.exited; i++) if (lane.rows[i].goid === row.goid) return true;
	return false;
}

// Lanes of these, which all have one; those of the function of which there are most come first.
export function lanesOf(rows: Row[], within: string): Lane[] {
	const byFunc = new Map<string, { count: number; lanes: Lane[] }>(); // a function's lanes by their number
	let last = '', of: { count: number; lanes: Lane[] } | undefined;
	for (const row of rows) {
		const { func } = row;
		if (func !== last || !of) {
			of = byFunc.get((last = func));
			if (!of) byFunc.set(func, of = { count: 0, lanes: [] });
		}
		of.count++;
		const lane = of.lanes[row.lane] ??= { key: `${row.lane}/${within}/${func}`, func, rows: [] };
		lane.rows.push(row);
	}
	const all = [...byFunc].sort(([f, a], [g, b]) => b.count - a.count || (f < g ? -1 : f > g ? 1 : 0));
	// Holes are lanes of which nobody is here.
	const lanes = all.flatMap(([, { lanes }]) => lanes.filter(Boolean));
	for (const lane of lanes) byBegin(lane.rows);
	return lanes;
}

// Most come in their order.
function byBegin(rows: Row[]): void {
	for (let i = 1; i < rows.length; i++) if (rows[i].created < rows[i - 1].created) return void rows.sort((a, b) => a.created - b.created);
}
