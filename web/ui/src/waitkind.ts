// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What kind of thing a goroutine waits for, by the runtime's reason; and the numbers that cells of
// tiles have for it beside those of the states (docs/api.md).
import { DEAD, NONE, UNKNOWN, WAITING, WAIT_CELLS, WAIT_KINDS, WAIT_PREFIXES } from 'contract';

const known = new Map<string, number>();

// A number of WAIT_KINDS.
export function kindOf(reason: string): number {
	let kind = known.get(reason);
	if (kind === undefined) {
		kind = WAIT_PREFIXES.find(([text]) => reason.startsWith(text))?.[1] ?? 0;
		known.set(reason, kind);
	}
	return kind;
}

// How a state is shown, as a cell has it: of one that waits, by its reason. One that has exited is in none.
export const shownAs = (state: number, reason = '') => (state === WAITING ? WAIT_CELLS[kindOf(reason)] : state === DEAD ? NONE : WAIT_CELLS.includes(state) ? UNKNOWN : state);
// The state that is shown so.
export const stateOf = (shown: number) => (WAIT_CELLS.includes(shown) ? WAITING : shown);
// Its kind, -1: it does not wait.
export const kindShown = (shown: number) => WAIT_CELLS.indexOf(shown);

// What a kind is called where a person reads it.
export const KIND_WORDS = WAIT_KINDS.map((name) => (name === 'gc' ? 'GC' : name));
export const KIND_MEANS: Record<(typeof WAIT_KINDS)[number], string> = {
	other: 'for another reason, or it is not known why',
	sync: 'for a lock, a wait group, a condition',
	channel: 'for a channel or in a select',
	network: 'for the network: sockets, pipes',
	sleep: 'in time.Sleep',
	idle: "idle: the runtime's own, until there is work for them",
	gc: 'for the garbage collector',
};
