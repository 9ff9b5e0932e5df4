// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What the server sends, as the UI keeps it. Times are ns on the target's clock, as numbers: exact
// up to 2^53, which is 104 days of uptime, and within 16 ns for years.

import { STATES } from 'contract';
import type { Clock } from './walltime';

// -1: no state's name.
export const stateNumber = (name: string) => (STATES as readonly string[]).indexOf(name);

export interface Row {
	readonly goid: number;
	readonly parent: number;
	readonly state: number;
	readonly flags: number;
	readonly reason: string;
	readonly func: string;
	readonly site: string;
	readonly since: number; // of the stay it is in, as it was seen
	readonly began: number; // since when it has been so: before it was seen, or before it was marked as leaked
	readonly created: number;
	readonly exited: number;
	readonly last: number;
	readonly wokenBy: number;
	readonly events: number;
	readonly slices: number;
	readonly maps: number;
	readonly objects: number;
	readonly bytes: number;
	readonly running: number;
	readonly runnable: number;
	readonly syscall: number;
	readonly waiting: number;
	readonly runnableMax: number;
	readonly children: number;
	lane: number; // which it shares with others of its function (lanes.ts), NO_LANE: none
	place: number; // in the list that was made last (rows.ts), if it is in it
}

export interface Process {
	index: number;
	pid: number;
	binary_path: string;
	go_version: string;
	state: string;
	executed?: string; // it ended by executing this
	exit_status?: number; // or so
	exit_signal?: number;
}

export const endedAs = (p: Process | undefined) => (p?.exit_signal !== undefined ? `, killed by signal ${p.exit_signal}` :
	p?.exit_status !== undefined ? ` with exit status ${p.exit_status}` : '');

// Of all kinds of events.
export const sum = (counts: Record<string, number>) => Object.values(counts).reduce((a, b) => a + b, 0);

// By its number: those of before may not be kept any more.
export const processOf = (status: Status | null | undefined, index: number) => status?.processes?.find((p) => p.index === index);

// What was lost: a row of core/view/process/losses.c, where anything was.
interface Loss {
	way: string;
	count: number;
	unit: string;
	of: 'data' | 'sample' | 'reader' | 'bound';
	what: string;
	helps: string;
}

export interface Status {
	id: string;
	state: 'ready' | 'loading' | 'failed';
	error?: string;
	loaded?: number;
	total?: number;
	live: boolean;
	replay: boolean;
	ended: boolean;
	first_ns: number;
	now_ns: number;
	last_event_ns: number;
	wall_offset_ns: number;
	processes: Process[];
	root: number; // which is meant where none is named
	events: Record<string, number>;
	lost: Record<string, number>;
	states: Record<string, number>; // how many that live are in each now
	live_total: number;
	alloc_bytes: number;
	created: number;
	exited: number;
	exited_dropped: number;
	trimmed: number; // of trimmed_of events: both of all processes
	trimmed_of: number;
	memory_bytes: number;
	in_doubt: boolean;
	lost_events: number; // of all processes and ways
	losses: Loss[];
	pyramid: { base: number; since_ns: number[]; bytes: number; cells: number; missed: number };
}

// From its first moment to its last, ns. Of a recording of which no event could be read there is no last one.
export const lengthOf = (s: { first_ns: number; now_ns: number }) => Math.max(0, s.now_ns - s.first_ns);

// What a recorded session does not have, because it could not be read to its end.
export const cutOff = (s: Status | null | undefined) => (s?.losses ?? []).filter((l) => l.way === 'torn' || l.way === 'unread');

export interface Info {
	mount_point: string;
	sessions: boolean;
	replay: boolean;
	can_sample: boolean;
	can_pause: boolean;
	can_seek: boolean;
	stacks: boolean;
	heap_profile: boolean;
	events_dropped: number;
	pyramid_missed: number;
}

export interface Session {
	id: string;
	start_time: string;
	end_time?: string;
	pid: number;
	binary_path: string;
	event_count: number;
	recording: boolean;
	state: string;
	stopped?: string;
	format: string;
	bytes: number;
	lost?: number;
	go_version?: string;
}

export interface Tick {
	now: number;
	last_event_ns: number;
	events: number;
	lost: number;
	live: number;
	created: number;
	exited: number;
	ended: boolean;
	probes?: string; // "full", "demand, off": what is attached
	probes_since_ns?: number; // UNIX time
	audit: string; // "agrees", "3 differences", … of all processes, the worst
	rps: number;
	pps: number;
	ewp: number;
	lat: number;
	prc: number;
	overhead: number;
}

export interface Config {
	not_kept?: string; // in the answer to a POST: why it could not be written
	nanoseconds_per_pixel: number;
	state_colors: Record<string, string>;
	type_colors: Record<string, string>;
	ui: Partial<UiSettings>;
}

export interface UiSettings {
	theme: 'system' | 'light' | 'dark';
	palette: 'server' | 'kinds'; // the colours of /api/config, or ours, which tell kinds of waiting apart
	rowHeight: number; // px
	exited: 'screen' | 'all' | 'none'; // rows of exited goroutines: those that lived in the visible time
	exitedKeep: number; // seconds an exited goroutine's row stays; 0 = as long as the server keeps it
	showSystem: boolean;
	lanes: boolean; // short lives share rows
	cpus: boolean; // who ran on which CPU, above the rows
	labels: number; // width of the label column, px
	clock: Clock; // what times are called
	allocations: boolean;
	edges: 'selected' | 'visible' | 'none';
	marks: boolean; // heights that tell states apart without colour
}

export const UI_DEFAULTS: UiSettings = {
	theme: 'system',
	palette: 'kinds',
	rowHeight: 20,
	exited: 'screen',
	exitedKeep: 0,
	showSystem: false,
	lanes: true,
	cpus: false,
	labels: 220,
	clock: 'since',
	allocations: true,
	edges: 'selected',
	marks: true,
};

const UI_CHOICES: { [K in keyof UiSettings]?: readonly UiSettings[K][] } = {
	theme: ['system', 'light', 'dark'],
	palette: ['server', 'kinds'],
	rowHeight: [12, 20, 30],
	exited: ['screen', 'all', 'none'],
	clock: ['since', 'local', 'utc'],
	edges: ['selected', 'visible', 'none'],
};

// Of what somebody kept, a browser or a server, that which is a setting and a value it can have.
export function settingsOf(kept: object | undefined): Partial<UiSettings> {
	return Object.fromEntries(Object.entries(kept ?? {}).filter(([key, value]) => {
		const choices = UI_CHOICES[key as keyof UiSettings] as readonly unknown[] | undefined;
		return typeof value === typeof UI_DEFAULTS[key as keyof UiSettings] && (choices?.includes(value) ?? true);
	}));
}

export interface Series {
	level: number;
	width_ns: number;
	start_ns: number;
	state_ns: Record<string, number[]>;
	events: Record<string, number[]>;
	lost: number[];
	alloc_bytes: number[];
	latency_count: number[];
	latency_sum_ns: number[];
	latency_max_ns: number[];
}

export interface Edge {
	time: number;
	from: number;
	to: number;
	kind: 'wake' | 'create';
}
