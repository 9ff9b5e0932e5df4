// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// When a stay ended, as far as is known: an answer in which it went on is older than the picture, and the
// goroutine may have moved on since.
import { STAY, type Stay } from 'contract';

const SAME_NS = 1000; // times are numbers of 53 bits

// `row`: of its goroutine, as it was told last; `asked`: when the answer was asked for; times since `origin`. `sure`: false where
// it has ended, nobody knows when; it went on until `end`.
export function endOf(stay: Stay, row: { since: number; exited: number } | undefined, origin: number, now: number, asked: number): { end: number; open: boolean; sure: boolean } {
	const begin = stay[STAY.begin] - origin, end = stay[STAY.end] - origin;
	if (stay[STAY.end]) return { end: Math.min(end, now), open: end > now, sure: true };
	const left = row ? row.exited || row.since : 0;
	return left > begin + SAME_NS && left < now ? { end: Math.max(begin, Math.min(left, asked)), open: false, sure: false } : { end: now, open: true, sure: true };
}
