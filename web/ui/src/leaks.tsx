// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Who can never go on, proven from memory; below it goroutines by where they were made: what only ever
// grows is a leak, too.
import { useState } from 'preact/hooks';
import { app } from './app';
import { at, getJson } from './api';
import { word } from './filter';
import { brief, bytes, duration, exact, goidText } from './format';
import { WaitGraph, type GraphMember } from './graph';
import { usePolled } from './poll';
import { Rest, ROWS_MOST } from './rest';

interface SiteRow {
	site: string | null;
	function: string | null;
	live: number;
	waiting: number;
	exited_retained: number;
	created_last_minute: number | null; // null: no probe was in, all of it
	exited_last_minute: number | null;
	oldest_age_ns: number;
	oldest_age_at_least: boolean; // one was there before tracing
	last_minute_at_least: boolean; // some that ended are no longer kept
	growing: boolean; // by the rule of problems
	wait_reason: string | null;
	wait_reason_count: number;
	alloc_bytes: number;
	sample: number[];
}

interface Member extends GraphMember {
	created_at: string;
	marked_by_runtime?: boolean;
}

interface Growing {
	function: string;
	then: number;
	now: number;
	over_ns: number;
	goid: number;
}

interface Group {
	level: 'leaked' | 'suspect';
	kind: string;
	meaning: string;
	goroutines: number;
	alike: number;
	keeps_waiting: number;
	oldest_age_ns: number;
	oldest_age_at_least: boolean;
	members: Member[];
	more_members: number;
	stack: string;
}

interface Report {
	leaked?: number; // none while the first look is under way
	suspect?: number;
	unconfirmed?: number;
	candidates?: number;
	passes?: number;
	under_way?: boolean;
	not_available?: string; // why
	groups: Group[];
	more_groups?: number;
	growing?: Growing[];
	more_growing?: number;
}

const LOOK_MS = 15000;

function GroupRow({ group }: { group: Group }) {
	return (
		<details class="leak-group">
			<summary>
				<b class={group.level === 'leaked' ? 'warn' : ''}>{group.level} {group.kind}</b>{' '}
				{exact(group.goroutines)} goroutine{group.goroutines === 1 ? '' : 's'}
				{group.alike > 1 ? ` in ${exact(group.alike)} groups alike` : ''}
				{group.keeps_waiting ? `, keeps ${exact(group.keeps_waiting)} waiting` : ''}
				{group.oldest_age_ns ? `, oldest ${group.oldest_age_at_least ? '≥ ' : ''}${duration(group.oldest_age_ns)}` : ''}
				{' '}<span class="mono">{group.members[0]?.function}</span> <span class="muted">{group.meaning}</span>
			</summary>
			<WaitGraph members={group.members} more={group.more_members} select={(goid) => app.selected.set(goid)} />
			<table class="wide"><tbody>{group.members.map((m) => (
				<tr>
					<td>{m.culprit ? 'culprit' : ''}{m.marked_by_runtime ? <span class="small" title="The program's own profile of leaked goroutines has marked it"> marked by its own profile</span> : null}</td>
					<td><button class="link" onClick={() => app.selected.set(m.goid)}>{goidText(m.goid)}</button></td>
					<td class="mono">{brief(m.function)}</td>
					<td class="mono small">{m.waits_on ?? m.wait_reason}</td>
					<td class="small">{m.likely_holder === undefined ? '' : <>{m.evidence?.endsWith('it may be the one') ? 'possible' : 'likely'} holder <button class="link"
						onClick={() => app.selected.set(m.likely_holder!)}>{goidText(m.likely_holder!)}</button>: {m.evidence}</>}</td>
					<td class="mono small">{brief(m.created_at)}</td></tr>))}
			</tbody></table>
			{group.more_members ? <div class="muted">and {exact(group.more_members)} more</div> : null}
			{group.stack ? <pre class="stack">{group.stack}</pre> : null}
		</details>
	);
}

function Proven() {
	const { value: report, problem } = usePolled(() => getJson<Report>(at(app.source.get(), 'leaks')), LOOK_MS, []);

	if (!report) return <div class="bar muted">{problem || 'Looking through its memory…'}</div>;
	return (
		<div class="leak-groups">
			<div class="bar">
				{report.not_available ? <span class="muted">Leaks cannot be proven: {report.not_available}</span> : report.leaked === undefined ? 'Looking through its memory…' : <>
					<b class={report.leaked ? 'warn' : ''}>{exact(report.leaked)} leaked</b>
					<span>{exact(report.suspect ?? 0)} suspect</span>
					{report.growing?.length ? <span>{exact(report.growing.length + (report.more_growing ?? 0))} growing</span> : null}
					<span class="muted">of {exact(report.candidates ?? 0)} that only another goroutine can wake; {exact(report.passes ?? 0)} passes
						{report.unconfirmed ? `, ${exact(report.unconfirmed)} not confirmed yet` : ''}{report.under_way ? ', a look is under way' : ''}</span></>}
			</div>
			{report.groups.map((g) => <GroupRow group={g} key={`${g.kind}/${g.members[0]?.goid}`} />)}
			{report.more_groups ? <div class="muted">and {exact(report.more_groups)} more groups</div> : null}
			{report.growing?.map((g) => (
				<div class="bar" key={g.function}>
					<b>suspect growing</b> <span class="mono">{brief(g.function)}</span> {exact(g.then)} → {exact(g.now)} in {duration(g.over_ns)}
					<span class="muted">by their number alone; one is</span> <button class="link" onClick={() => app.selected.set(g.goid)}>{goidText(g.goid)}</button>
				</div>))}
			{report.more_growing ? <div class="muted">and {exact(report.more_growing)} more that grow</div> : null}
		</div>
	);
}

const COLUMNS: [string, string, (r: SiteRow) => number | string][] = [
	['Start function', '', (r) => r.function ?? ''],
	['Live', 'num', (r) => r.live],
	['Growth/min', 'num', (r) => (r.created_last_minute ?? 0) - (r.exited_last_minute ?? 0)],
	['Made/min', 'num', (r) => r.created_last_minute ?? 0],
	['Oldest', 'num', (r) => r.oldest_age_ns],
	['Waiting', 'num', (r) => r.waiting],
	['Mostly for', '', (r) => r.wait_reason ?? ''],
	['Allocated', 'num', (r) => r.alloc_bytes],
	['Made at', '', (r) => r.site ?? ''],
	['Look at', '', (r) => r.sample[0] ?? 0],
];

// How many more there are, and how many were made; memory alone does not tell.
function LastMinute({ r }: { r: SiteRow }) {
	const { created_last_minute: made, exited_last_minute: ended } = r;
	if (made === null || ended === null) return <><td class="num">–</td><td class="num">–</td></>;
	return <><td class="num">{r.last_minute_at_least ? '≤ ' : ''}{signed(made - ended)}</td>
		<td class="num">{r.last_minute_at_least ? '≥ ' : ''}{exact(made)}</td></>;
}

export function Leaks() {
	const { value: rows, problem } = usePolled(() => getJson<SiteRow[]>(at(app.source.get(), 'sites')), 2000, []);
	const [sort, setSort] = useState({ column: 1, descending: true });

	if (!rows) return <div class="page"><div class="empty">{problem || '…'}</div></div>;
	const value = COLUMNS[sort.column][2];
	const sorted = [...rows].sort((a, b) => {
		const x = value(a), y = value(b);
		return (x < y ? -1 : x > y ? 1 : 0) * (sort.descending ? -1 : 1);
	});
	return (
		<div class="page leaks">
			{app.source.get() === 'live' ? <Proven /> : null}
			<div class="bar"><span class="muted">Goroutines grouped by start function and go statement. Marked: start functions whose goroutines only grow in number, also where some of them end.</span></div>
			<table class="wide">
				<thead><tr>{COLUMNS.map(([label, cls], i) => (
					<th class={cls} aria-sort={sort.column === i ? (sort.descending ? 'descending' : 'ascending') : 'none'}>
						<button class="link" onClick={() => setSort({ column: i, descending: sort.column === i ? !sort.descending : cls === 'num' })}>
							{label}{sort.column === i ? (sort.descending ? ' ↓' : ' ↑') : ''}</button></th>))}</tr></thead>
				<tbody>{sorted.slice(0, ROWS_MOST).map((r) => (
					<tr class={r.growing ? 'suspicious' : ''}>
						<td class="mono"><button class="link" title={`Show them on the timeline\n${r.function ?? ''}`} onClick={() => {
							app.browse.update({ filter: `${r.function ? `func:${word(r.function)} ` : ''}flag:live`, group: 'none' });
							app.view.set('timeline');
						}}>{r.function ? brief(r.function) : '(unknown)'}</button>
							{r.site ? <div class="small made-at">made at {brief(r.site)}</div> : null}</td>
						<td class="num"><b>{exact(r.live)}</b></td>
						<LastMinute r={r} />
						<td class="num">{r.live ? `${r.oldest_age_at_least ? '≥ ' : ''}${duration(r.oldest_age_ns)}` : '–'}</td><td class="num">{exact(r.waiting)}</td>
						<td>{r.wait_reason}{r.wait_reason_count && r.wait_reason_count < r.waiting ? <span class="muted"> {r.wait_reason_count}</span> : null}</td>
						<td class="num">{bytes(r.alloc_bytes)}</td>
						<td class="mono small" title={r.site ?? ''}>{r.site ? brief(r.site) : <span class="muted">unknown</span>}</td>
						<td>{r.sample.map((g) => <button class="link" onClick={() => { app.selected.set(g); }}>{goidText(g)}</button>)}</td></tr>))}
					<Rest of={sorted.length} columns={COLUMNS.length} /></tbody></table>
		</div>
	);
}

const signed = (n: number) => (n > 0 ? `+${exact(n)}` : exact(n));
