// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Why a goroutine waited, from its wait to the root, drawn; and who ran while it could have. In its panel.
import { useEffect, useState } from 'preact/hooks';
import { app, type Why } from './app';
import { at as url, getJson, int } from './api';
import { swatch } from './colors';
import { cpuList, duration, exact, goidText } from './format';
import { showTime } from './goto';
import { useValue } from './store';
import { RUNNABLE, RUNNING, SYSCALL, UNKNOWN, WAITING } from 'contract';
import { kindOf } from './waitkind';

interface Stay { begin: number; end: number; ns: number; begin_known: boolean; state: string; reason: string }

interface Ran {
	goid: number;
	stay: Stay | null;
	why?: string;
	partly_unknown: boolean;
	got_cpu?: number;
	ran_ns: number;
	nobody_ran_ns: number;
	goroutines: number;
	ran: { goid: number; function: string; ns: number; runs: number; gc: boolean; cpus: number[] }[];
}

interface Hop {
	goid: number;
	function: string;
	by: 'start' | 'woke' | 'likely_holder' | 'created';
	fact: boolean;
	evidence?: string;
	at?: number;
	from: number;
	to: number;
	running_ns: number;
	runnable_ns: number;
	syscall_ns: number;
	waiting_ns: number;
	unknown_ns: number;
	not_made_yet_ns: number;
	wait: { begin: number; end: number; reason: string } | null;
}

interface Blame {
	goid: number;
	stay: Stay | null;
	why?: string;
	chain: Hop[];
	root: string;
	root_text: string;
	estimate: boolean;
	waiters_by: 'object' | 'woken';
	waiters_cut: boolean;
	waiters: { goid: number; begin: number; end: number }[];
}

const AGAIN_MS = 2000;
const NONE = { ran: 'wait for a CPU', blame: 'wait' };

function ask(why: Why): Promise<Ran | Blame> {
	const when = why.at === null ? '' : `?at=${int(why.at)}`;
	return getJson(url(app.source.get(), `goroutines/${why.goid}/${why.what === 'ran' ? 'ran_instead' : 'blame'}${when}`));
}

// Asked again while what it is about goes on.
function useAnswer(why: Why | null): { answer: Ran | Blame | null; problem: string } {
	const [got, setGot] = useState<{ of: Why | null; answer: Ran | Blame | null; problem: string }>({ of: null, answer: null, problem: '' });
	useEffect(() => {
		let timer = 0, stopped = false, asked = false;
		if (!why) return;
		const again = async () => {
			// Whoever asks is answered; only what is asked again waits while nobody looks.
			if (!asked || (!document.hidden && !app.paused.get())) {
				asked = true;
				try {
					const answer = await ask(why);
					if (stopped) return;
					setGot({ of: why, answer, problem: '' });
					if (why.at !== null && answer.stay?.end) return;
				} catch (e) {
					if (!stopped) setGot({ of: why, answer: null, problem: (e as Error).message });
					return;
				}
			}
			if (app.moves) timer = setTimeout(() => void again(), AGAIN_MS) as unknown as number;
		};
		void again();
		return () => {
			stopped = true;
			clearTimeout(timer);
		};
	}, [why]);
	return got.of === why ? got : { answer: null, problem: '' };
}

export function WhyPart({ goid, goTo }: { goid: number; goTo: (goid: number) => void }) {
	const all = useValue(app.why), why = all?.goid === goid ? all : null;
	const { answer, problem } = useAnswer(why);
	const choose = (what: Why['what']) => app.why.set(why?.what === what ? null : { goid, what, at: null });
	return <section class="why"><h3>Why</h3>
		<div class="segments">
			<button aria-pressed={why?.what === 'blame'} class={why?.what === 'blame' ? 'on' : ''} title="Who ended its wait, and why not before, to the root (B)" onClick={() => choose('blame')}>Why it waited</button>
			<button aria-pressed={why?.what === 'ran'} class={why?.what === 'ran' ? 'on' : ''} title="Who ran while it could have (R)" onClick={() => choose('ran')}>Who ran instead</button>
		</div>
		{problem ? <p class="bad">{problem}</p> : why && !answer ? <p class="muted">…</p> : null}
		{answer && why && !answer.stay ? <p class="muted">{`No ${NONE[why.what]} ${why.at === null ? 'of it' : 'at that time'} is kept${answer.why ? `: ${answer.why}` : ''}.`}{why.at === null ? null : <> <button class="link" onClick={() => app.why.set({ ...why, at: null })}>The longest time</button></>}</p> : null}
		{answer?.stay ? <>
			<StayLine stay={answer.stay} asked={why!.at !== null} />
			{'chain' in answer ? <Chain b={answer} goTo={goTo} /> : <WhoRan r={answer} goTo={goTo} />}</> : null}
	</section>;
}

function StayLine({ stay, asked }: { stay: Stay; asked: boolean }) {
	const from = stay.begin - app.origin, to = from + stay.ns, pad = Math.max(stay.ns * 0.15, 1000);
	return <p><i class="dot" style={{ background: swatch(app.look.get(), stay.state === 'runnable' ? RUNNABLE : WAITING, stay.reason) }} /><b>{stay.begin_known ? '' : '≥ '}{duration(stay.ns)}</b> {stay.state}{stay.reason ? `: ${stay.reason}` : ''}
		{stay.end ? `, from ${app.timeText(from)}` : ', and goes on'}{!asked && stay.end ? <span class="muted"> (the longest kept)</span> : null}{' '}
		<button class="link" onClick={() => {
			if (stay.state === 'runnable') app.set({ cpus: true });
			showTime(from - pad, to + pad);
		}}>{stay.state === 'runnable' ? 'show it with the CPUs' : 'show it'}</button></p>;
}

function WhoRan({ r, goTo }: { r: Ran; goTo: (goid: number) => void }) {
	const total = Math.max(1, r.stay!.ns);
	return <>
		<table class="ran"><thead><tr><th>Goroutine</th><th class="num">Ran</th><th class="num">Of it</th><th class="num">CPU</th></tr></thead>
			<tbody>{r.ran.slice(0, 30).map((row) => (
				<tr><td class="clip" title={row.function}><button class="link" onClick={() => goTo(row.goid)}>{goidText(row.goid)}</button> <span class="mono small">{row.function || '(unknown)'}</span>{row.gc ? <span class="muted"> GC</span> : null}</td>
					<td class="num">{duration(row.ns)}{row.runs > 1 ? <span class="muted"> ×{exact(row.runs)}</span> : null}</td>
					<td class="num muted">{(100 * row.ns / total).toFixed(1)} %</td>
					<td class="num muted">{cpuList(row.cpus) || '?'}</td></tr>))}
				{r.nobody_ran_ns ? <tr><td class="muted" title="What had a processor of Go's waited for a CPU of the kernel's, or was about to run">no goroutine of the program</td><td class="num">{duration(r.nobody_ran_ns)}</td>
					<td class="num muted">{(100 * r.nobody_ran_ns / total).toFixed(1)} %</td><td /></tr> : null}</tbody></table>
		{r.goroutines > 30 ? <p class="muted">and {exact(r.goroutines - 30)} more</p> : null}
		{r.got_cpu !== undefined ? <p class="muted">Then it ran on CPU {r.got_cpu}.</p> : null}
		{r.partly_unknown ? <p class="warn">Not all is known of that time: events were lost, or are no longer kept.</p> : null}
	</>;
}

const SAME = 3; // so many alike in a row are drawn as the first, how many more, and the last

type Link = { hop: Hop; i: number } | { folded: number; from: number };

function fold(chain: Hop[], open: boolean): Link[] {
	const alike = (a: Hop, b: Hop) => a.by === 'woke' && b.by === 'woke' && a.function === b.function && a.wait?.reason === b.wait?.reason;
	const out: Link[] = [];
	for (let i = 0; i < chain.length;) {
		let end = i + 1;
		while (end < chain.length && alike(chain[i], chain[end])) end++;
		if (open || end - i <= SAME) for (; i < end; i++) out.push({ hop: chain[i], i });
		else {
			out.push({ hop: chain[i], i }, { folded: end - i - 2, from: i + 1 }, { hop: chain[end - 1], i: end - 1 });
			i = end;
		}
	}
	return out;
}

const PARTS: [keyof Hop & `${string}_ns`, number, string][] = [['running_ns', RUNNING, 'ran'], ['runnable_ns', RUNNABLE, 'waited for a CPU'],
	['syscall_ns', SYSCALL, 'in system calls'], ['waiting_ns', WAITING, 'waited'], ['unknown_ns', UNKNOWN, 'not known'], ['not_made_yet_ns', -1, 'was not made yet']];

function said(hop: Hop): string {
	return PARTS.map(([key, , word]) => (hop[key] ? `${word} ${duration(hop[key])}` : '')).filter(Boolean).join(', ');
}

function Chain({ b, goTo }: { b: Blame; goTo: (goid: number) => void }) {
	const [open, setOpen] = useState(false);
	const crowd = useValue(app.crowd), first = b.chain[0], span = Math.max(1, first.to - first.from);
	const shown = crowd?.goid === b.goid && crowd.begin === first.from;
	const percent = (ns: number) => `${Math.min(100, Math.max(0, 100 * ns / span))}%`;
	return <>
		<ol class="chain">{fold(b.chain, open).map((link) => ('folded' in link ?
			<li class="folded"><button class="link" onClick={() => setOpen(true)}>{exact(link.folded)} more, each woken by the next</button></li> :
			<li class={link.hop.fact ? 'fact' : 'estimate'}>
				{link.hop.by === 'start' ? null : <div class="by">{link.hop.by === 'woke' ? `woken by, at ${app.timeText(link.hop.at! - app.origin)}` : link.hop.by === 'created' ? 'made by' : <>likely held by <b>(estimate)</b></>}</div>}
				<div class="hop" title={said(link.hop)}>
					<button class="link" onClick={() => goTo(link.hop.goid)}>{goidText(link.hop.goid)}</button> <span class="mono small">{link.hop.function || '(unknown)'}</span>
					<div class="when"><i class="stacked" style={{ marginLeft: percent(link.hop.from - first.from), width: percent(link.hop.to - link.hop.from) }}>{PARTS.map(([key, state]) => (link.hop[key] ?
						<i style={{ flexGrow: link.hop[key], background: state < 0 ? 'transparent' : swatch(app.look.get(), state, link.hop.wait?.reason) }} /> : null))}</i></div>
					<div class="small">{link.i ? `in ${duration(link.hop.to - link.hop.from)}: ` : ''}{said(link.hop)}{link.hop.wait ? <span class="muted">; {link.hop.wait.reason || 'it is not known why'}</span> : null}</div>
					{link.hop.evidence ? <div class="small muted">{link.hop.evidence}</div> : null}
				</div>
			</li>))}
			<li class="root"><b>Root: {b.root}</b> <span>{b.root_text}</span></li></ol>
		{b.root === 'runnable' ? <p><button class="link" onClick={() => app.why.set({ goid: b.chain[b.chain.length - 1].goid, what: 'ran', at: null })}>Who ran instead of it</button></p> : null}
		{b.waiters.length > 1 ? <p><button aria-pressed={shown} onClick={() => app.crowd.set(shown ? null : { goid: b.goid, begin: first.from, end: first.to, now: first.to, waiters: b.waiters, kind: kindOf(b.stay!.reason) })}>
			{shown ? 'Remove the row' : `All ${exact(b.waiters.length)}${b.waiters_cut ? '+' : ''} who waited for this, as a row`}</button>
		<span class="muted"> {b.waiters_by === 'object' ? 'on the same object, by memory' : 'for the same reason, woken down the same line'}</span></p> : null}
	</>;
}
