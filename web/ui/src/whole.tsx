// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Is the picture whole: what was lost, whether events and memory agree, what is attached, what is no
// longer kept, and what no event ever tells. One place for what else stands in several views.
import type { ComponentChildren } from 'preact';
import { app } from './app';
import { at, getJson } from './api';
import { Dialog } from './dialog';
import { duration, exact } from './format';
import { usePolled } from './poll';
import { useValue } from './store';
import { cutOff, sum } from './types';

interface Health { probes_level?: string; probes_in?: boolean; probes_off_ns?: number; probes_attached?: number; warning?: string[]; limit?: string[]; not_covered?: string }
type Figures = Record<string, unknown>; // health and stats, by their keys
interface Audit { audit: string; state: string; meaning: string[]; difference: string[] }

const EVERY_MS = 2000;
type Sign = 'good' | 'so' | 'bad';
const SIGNS: Record<Sign, string> = { good: '✓', so: '–', bad: '!' };

function Line({ sign, what, children }: { sign: Sign; what: string; children: ComponentChildren }) {
	return <tr class={sign}><td aria-hidden="true">{SIGNS[sign]}</td><th scope="row">{what}</th><td>{children}</td></tr>;
}

const number = (f: Figures | null, key: string) => (typeof f?.[key] === 'number' ? f[key] as number : undefined);
const percent = (value: number) => `${value.toFixed(value < 10 ? 1 : 0)}\u00a0%`;
const TYPES = ['casgstatus', 'newobject', 'makeslice', 'makemap', 'newgoroutine', 'goexit'];

// What tracing costs now, by event type, what one hit does, and how -max-overhead is kept.
function Cost({ health, stats }: { health: Figures; stats: Figures | null }) {
	const all = number(health, 'overhead_estimate_percent'), trap = number(health, 'trap_ns'), program = number(health, 'program_ns');
	if (all === undefined) return null;
	const most = health.overhead_most_by, bound = number(stats, 'max_overhead_percent') ?? 0, windows = number(health, 'budget_windows');
	const types = TYPES.map((type) => [type, number(health, `overhead_${type}_percent`) ?? 0] as const).filter(([, cost]) => cost >= 0.05).sort((a, b) => b[1] - a[1]);
	const spent = number(health, 'budget_spent_percent') ?? 0, open = number(health, 'budget_cost_when_open_percent') ?? 0;
	return <>
		<Line sign="so" what="Cost">{percent(all)} of a CPU in the last second, {percent(number(health, 'overhead_of_target_percent') ?? 0)} of what the program takes, by estimate
			{trap !== undefined ? `: a hit is a trap of ${exact(trap)} ns, measured here, and ${exact(program ?? 0)} ns of ours` : ''}
			{types.length ? <ul>{types.map(([type, cost]) => <li>{type}: {percent(cost)}{type === most ? <span class="muted"> · the first to leave out: -sample {type}:0</span> : null}</li>)}</ul> : null}</Line>
		{bound ? <Line sign="so" what="Budget">{windows ? `at most ${bound} %, ${percent(spent)} spent; traced in windows, ${exact(windows)} until now, ${health.budget_window === 'open' ? 'one is open' : 'none is open'}; ${percent(open)} while one is` : `at most ${bound} %: all probes are in`}</Line> : null}
	</>;
}

export function Whole() {
	const source = useValue(app.source);
	const status = useValue(app.status);
	const { value } = usePolled(async () => {
		const [health, audit, stats] = await Promise.all(['health', 'audit', 'stats'].map((view) => getJson(at(source, view)).catch(() => null)));
		return { health: health as Health & Figures | null, audit: audit as Audit | null, stats: stats as Figures | null };
	}, EVERY_MS, []);
	const warnings = value?.health?.warning ?? [];
	if (!status?.events || !app.usable) return <Dialog title="Is the picture whole?">{warnings.length ? <ul class="bad">{warnings.map((text) => <li>{text}</li>)}</ul> : <p class="muted">Nothing is known yet.</p>}</Dialog>;
	const events = sum(status.events), lost = status.lost_events, losses = status.losses ?? [], { health, audit, stats } = value ?? { health: null, audit: null, stats: null };
	const off = health?.probes_in === false, missing = losses.filter((l) => l.of === 'data' || l.of === 'sample');
	const cut = cutOff(status).length > 0, good = cut ? 'so' : 'good'; // of what was not read nothing is known to be well
	const faults = [cut ? 'the recorded session could not be read to its end' : '', lost ? `${exact(lost)} events were lost` : '', status.in_doubt ? 'states are in doubt' : '', audit && /differs|blind|behind/.test(audit.state) ? `the audit says: ${audit.audit}` : '',
		off ? 'probes are off' : '', missing.length && !lost && !cut ? 'something was lost or left out' : ''].filter(Boolean);
	return (
		<Dialog title="Is the picture whole?">
			<p class={faults.length || warnings.length ? 'bad' : ''}><b>{faults.length ? `Not whole: ${faults.join('; ')}.` : warnings.length ? 'Not whole, or not known to be: see what is in doubt.' : audit?.state === 'agrees' ? 'Yes: nothing was lost, and events and memory agree.' : 'Nothing was lost.'}</b></p>
			<table class="whole"><tbody>
				<Line sign={lost || cut ? 'bad' : 'good'} what="Events">{lost ? `${exact(lost)} lost, beside ${exact(events)} that were told` : cut ? `${exact(events)} could be read` : `${exact(events)} told, none lost`}
					{missing.length ? <ul>{missing.map((l) => <li>{exact(l.count)} {l.unit} {l.what}{l.helps ? <span class="muted"> · {l.helps}</span> : null}</li>)}</ul> : null}</Line>
				{status.in_doubt ? <Line sign="bad" what="States">in doubt until memory is read: state changes were lost</Line> : null}
				<Line sign={!audit ? 'so' : audit.state === 'agrees' || audit.state === 'finished' ? good : /differs|blind|behind/.test(audit.state) ? 'bad' : 'so'} what="Events against memory">
					{audit ? `${cut ? 'while it was recorded: ' : ''}${audit.audit}` : value ? 'cannot be told' : '…'}
					{audit?.difference?.length ? <ul>{audit.difference.map((d) => <li class="mono">{d}</li>)}</ul> : null}
					{audit?.state === 'differs' ? <ul>{audit.meaning?.map((m) => <li class="muted">{m}</li>)}</ul> : null}</Line>
				{health?.probes_level ? <Line sign={off ? 'bad' : health.probes_off_ns ? 'so' : good} what="Probes">{health.probes_level}, {off ? 'off now' : `${exact(health.probes_attached ?? 0)} attached`}{health.probes_off_ns ? `, off for ${duration(health.probes_off_ns)} in all` : ''}</Line> : null}
				{health ? <Cost health={health} stats={stats} /> : null}
				{health?.warning?.length ? <Line sign="bad" what="In doubt"><ul>{health.warning.map((text) => <li>{text}</li>)}</ul></Line> : null}
				{health?.limit?.length ? <Line sign="so" what="Limits"><ul>{health.limit.map((text) => <li>{text}</li>)}</ul></Line> : null}
				<Line sign={status.trimmed || status.exited_dropped ? 'so' : good} what="Kept">{status.trimmed ? `all but the oldest ${exact(status.trimmed)} of ${exact(status.trimmed_of)} events${status.processes.length > 1 ? ' of all processes' : ''}, of which states remain, not as fine` : !cut ? 'every event' : events ? 'every event that could be read' : 'nothing'}
					{status.exited_dropped ? `; ${exact(status.exited_dropped)} goroutines that exited are no longer told` : ''}</Line>
				{health?.not_covered && health.not_covered !== 'nothing' ? <Line sign="so" what="Told by no event"><ul>{health.not_covered.split('; ').map((text) => <li>{text}</li>)}</ul></Line> : null}
			</tbody></table>
		</Dialog>
	);
}
