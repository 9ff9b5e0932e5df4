// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Flame graphs, root on top: where goroutines are, by the stacks of those that do not run or by start
// function, go statement and state; where CPU time is spent, by samples; and who allocates, by events.
import { useEffect, useRef, useState } from 'preact/hooks';
import { app, type FlameChoice } from './app';
import { address, at, getJson, int } from './api';
import { bytes, duration, exact, shortFunc } from './format';
import { goTo } from './goto';
import { usualWeight } from './permalink';
import { usePolled } from './poll';
import { useValue } from './store';
import { stateNumber } from './types';
import { textOn } from './colors';
import { kindOf } from './waitkind';

interface FlameNode {
	name: string;
	kind: 'function' | 'site' | 'state' | 'type';
	at?: string;
	goroutines: number; // how many: goroutines, samples, allocations
	ns: number; // how much: ns, bytes
	sample: number;
	children?: FlameNode[];
}

interface Answer {
	by: FlameChoice['by'];
	now_ns: number;
	goroutines: number;
	without_stack: number;
	truncated: boolean;
	root: FlameNode;
	// cpu
	from?: number;
	to?: number;
	samples?: number;
	error_ns?: number;
	hz?: number;
	covered_from_ns?: number;
	running_ns?: number;
	unknown_ns?: number;
	running_exact?: boolean;
	lost_since_start?: number;
	why?: string | null;
	// alloc
	exact?: boolean;
	since_ns?: number;
	exited_missing?: boolean;
	exited_dropped?: number;
	maps?: number;
	seen?: string;
}

// The two figures of a node, by the names that the server has for them.
const FIGURES: Record<FlameChoice['by'], [string, string]> = { stack: ['goroutines', 'ns'], origin: ['goroutines', 'ns'], cpu: ['samples', 'ns'], alloc: ['allocations', 'bytes'] };
const ONES: Record<FlameChoice['by'], string> = { stack: 'goroutine', origin: 'goroutine', cpu: 'sample', alloc: 'allocation' };

function normal(node: FlameNode, [many, much]: [string, string]): FlameNode {
	const figures = node as unknown as Record<string, number>;
	return { ...node, goroutines: figures[many], ns: figures[much], children: node.children?.map((c) => normal(c, [many, much])) };
}

// What is asked about: CPU and allocations are of the selected time, where there is one.
function question(by: FlameChoice['by'], goid: number | null): string {
	const timed = by === 'cpu' || by === 'alloc', range = timed ? app.range.get() : null;
	const filter = [app.browse.get().filter, range ? app.ranged.get().filter : ''].filter(Boolean).join(' ');
	return `by=${by}${range ? `&from=${int(range.from + app.origin)}&to=${int(range.to + app.origin)}` : ''}` +
		(timed && goid !== null ? `&goids=${goid}` : filter ? `&filter=${encodeURIComponent(filter)}` : '');
}

async function getFlame(by: FlameChoice['by'], goid: number | null): Promise<Answer> {
	const got = await getJson<Answer>(at(app.source.get(), `flame?${question(by, goid)}`));
	return { ...got, root: normal(got.root, FIGURES[by]) };
}

interface Box {
	node: FlameNode;
	path: string[]; // names from below the root down to it
	depth: number;
	left: number; // share of the width
	width: number;
}

const EVERY_MS = 5000;
const BOXES_MAX = 3000;

const weigh = (n: FlameNode, by: FlameChoice['weight']) => (by === 'ns' ? n.ns : n.goroutines);
const say = (v: number, weight: FlameChoice['weight'], by: FlameChoice['by']) => (weight !== 'ns' ? exact(v) : by === 'alloc' ? bytes(v) : duration(v));

function find(root: FlameNode, path: string[]): FlameNode[] {
	const chain = [root];
	for (const name of path) {
		const next = chain[chain.length - 1].children?.find((c) => c.name === name);
		if (!next) break;
		chain.push(next);
	}
	return chain;
}

// The boxes of what the graph is zoomed to: those above it over the whole width, those under it by
// their share. What would be thinner than a pixel is left out.
function layout(root: FlameNode, path: string[], weight: FlameChoice['weight'], width: number): Box[] {
	const chain = find(root, path);
	const boxes: Box[] = chain.map((node, depth) => ({ node, path: path.slice(0, depth), depth, left: 0, width: 1 }));
	const place = (node: FlameNode, from: string[], depth: number, left: number, share: number) => {
		const total = weigh(node, weight);
		if (!total) return;
		const children = [...node.children ?? []].sort((a, b) => weigh(b, weight) - weigh(a, weight) || (a.name < b.name ? -1 : 1));
		for (const child of children) {
			const part = share * weigh(child, weight) / total;
			if (part * width < 1 || boxes.length >= BOXES_MAX) return;
			const to = [...from, child.name];
			boxes.push({ node: child, path: to, depth, left, width: part });
			place(child, to, depth + 1, left, part);
			left += part;
		}
	};
	place(chain[chain.length - 1], path.slice(0, chain.length - 1), chain.length, 0, 1);
	return boxes;
}

// What a search matches, counted once where one match stands on another.
function matching(node: FlameNode, test: (n: FlameNode) => boolean, weight: FlameChoice['weight']): number {
	if (test(node)) return weigh(node, weight);
	return (node.children ?? []).reduce((sum, c) => sum + matching(c, test, weight), 0);
}

// The ways to all that match, but those below one that does.
function matchPaths(node: FlameNode, test: (n: FlameNode) => boolean, path: string[] = []): string[][] {
	if (path.length && test(node)) return [path];
	return (node.children ?? []).flatMap((c) => matchPaths(c, test, [...path, c.name]));
}

export function Flame() {
	const choice = useValue(app.flame);
	const status = useValue(app.status);
	const info = useValue(app.info);
	const filter = useValue(app.browse).filter;
	useValue(app.theme);
	const stacks = app.isLive && !!info?.stacks;
	const by = choice.by === 'stack' && !stacks ? 'origin' : choice.by;
	const range = useValue(app.range), ranged = useValue(app.ranged), timed = by === 'cpu' || by === 'alloc';
	const asked = question(by, choice.goid);
	const { value, problem, refresh } = usePolled(() => getFlame(by, choice.goid).then((got) => ({ got, asked })), EVERY_MS, [asked]);
	const answer = value?.asked === asked ? value.got : null;
	const needle = choice.search.trim().toLowerCase();
	const test = (n: FlameNode) => !!needle && (n.name.toLowerCase().includes(needle) || !!n.at?.toLowerCase().includes(needle));
	const root = answer?.root;
	const total = root ? weigh(root, choice.weight) : 0;
	const hit = root && needle ? matching(root, test, choice.weight) : 0;
	// What it is zoomed to may have none of them.
	const zoomed = root && choice.path.length ? find(root, choice.path) : null, inside = zoomed && needle ? matching(zoomed[zoomed.length - 1], test, choice.weight) : hit;
	const next = () => {
		const all = root && needle ? matchPaths(root, test) : [];
		if (!all.length) return;
		const at = all.findIndex((p) => same(p, choice.path));
		app.flame.update({ path: all[(at + 1) % all.length] });
	};
	const link = at(app.source.get(), `flame?${asked}&format=folded&weight=${FIGURES[by][choice.weight === 'ns' ? 1 : 0]}`);
	const segments = <K extends 'by' | 'weight'>(key: K, label: string, options: [FlameChoice[K], string, string][]) => (
		<div class="segments" role="group" aria-label={label}>{options.map(([value, text, title]) => (
			<button title={title} aria-pressed={(key === 'by' ? by : choice.weight) === value} onClick={() => app.flame.update({ ...(key === 'by' ? { weight: usualWeight(value as FlameChoice['by']) } : {}), [key]: value, path: [] } as Partial<FlameChoice>)}>{text}</button>))}</div>);
	return (
		<div class="page flame">
			<div class="bar">
				{segments('by', 'What', [...(stacks ? [['stack', 'Stacks', 'The stacks of all goroutines that do not run, as they are now'] as [FlameChoice['by'], string, string]] : []),
					['origin', 'Origins', 'Start function, go statement and state, of all goroutines that are kept'],
					['cpu', 'CPU', 'Where CPU time is spent, by samples, in the selected time or the last ten minutes'],
					['alloc', 'Allocations', 'Who allocates, by events: start function, call site and type, in the selected time or all that is kept']])}
				{segments('weight', 'Width', by === 'cpu' ? [['ns', 'CPU time', 'What the samples stand for'], ['goroutines', 'Samples', 'How many']] :
					by === 'alloc' ? [['ns', 'Bytes', 'Of objects and slices'], ['goroutines', 'Allocations', 'How many, maps too']] :
						[['goroutines', 'Goroutines', 'How many'], ['ns', 'Time', by === 'stack' ? 'How long they have been in their present state' : 'Their time in each state']])}
				<div class="filter"><input type="search" placeholder="Search the graph" aria-label="Search the graph" title="Search (/)" value={choice.search} spellcheck={false}
					onInput={(e) => app.flame.update({ search: e.currentTarget.value })}
					onKeyDown={(e) => { if (e.key === 'Enter') next(); if (e.key === 'Escape') { app.flame.update({ search: '' }); e.currentTarget.blur(); e.stopPropagation(); } }} /></div>
				{needle && root ? <span class="found"><b>{say(hit, choice.weight, by)}</b> <span class="muted">of {say(total, choice.weight, by)} match{total ? `, ${(100 * hit / total).toFixed(1)}%` : ''}</span>{hit > inside ? <> <b class="warn">{say(hit - inside, choice.weight, by)} outside of what is shown</b></> : null}
					{hit ? <> <button onClick={next} title="Zoom to the next match (Enter)">Next</button></> : null}</span> : null}
				<button disabled={!choice.path.length} onClick={() => app.flame.update({ path: [] })}>All</button>
				{app.isLive ? <button onClick={refresh}>Refresh</button> : null}
				<a class="icon-link" href={address(link)} download="flame.txt" title="One line a stack, for flamegraph.pl and speedscope">Folded ↓</a>
				{timed && range ? <button class="chip" title="The selected time; click: no longer" onClick={() => app.range.set(null)}>{duration(range.to - range.from)} from {app.timeText(range.from)} ✕</button> : null}
				{timed && choice.goid !== null ? <button class="chip" title="Of all goroutines again" onClick={() => app.flame.update({ goid: null, path: [] })}>goroutine {choice.goid} ✕</button> : null}
				{timed && range && ranged.filter ? <button class="chip" title="The selected time's own filter" onClick={() => app.ranged.update({ filter: '' })}>{ranged.filter} ✕</button> : null}
				{filter && !(timed && choice.goid !== null) ? <button class="chip" title="The timeline's filter holds here, too" onClick={() => app.browse.update({ filter: '' })}>{filter} ✕</button> : null}
			</div>
			{!answer ? null : by === 'cpu' ? <div class="note muted"><CpuNote answer={answer} /></div> : by === 'alloc' ? <div class="note muted"><AllocNote answer={answer} /></div> :
				<Explain by={by} answer={answer} weight={choice.weight} live={app.isLive} />}
			{problem ? <div class="note bad">{problem}</div> : null}
			{root && total ? <Graph root={root} by={by} weight={choice.weight} path={choice.path} zoom={(path) => app.flame.update({ path })} test={needle ? test : null} /> :
				<div class="empty">{status?.state === 'loading' ? 'Reading the session…' : answer ? by === 'cpu' ? 'No sample.' : by === 'alloc' ? root?.goroutines ? 'Their bytes are not known.' : 'No allocation is an event of it.' :
					choice.weight === 'ns' && root?.goroutines ? 'No time is known yet.' : 'No goroutine is there.' : problem ? '' : '…'}</div>}
		</div>
	);
}

function Explain({ by, answer, weight, live }: { by: FlameChoice['by']; answer: Answer | null; weight: FlameChoice['weight']; live: boolean }) {
	if (!answer) return null;
	const { goroutines, without_stack: without, truncated } = answer;
	return <div class="note muted">
		{by === 'stack' ? <><b>{exact(goroutines)} goroutines by where they are parked</b>, or wait for a CPU or a syscall, read at {new Date(app.wallTime(answer.now_ns - app.origin)).toTimeString().slice(0, 8)}
			{weight === 'ns' ? '; width: how long they have been in that state' : ''}.
			{without ? ` ${exact(without)} more were running: their stacks cannot be read.` : ''} Not a CPU profile.</> :
			<><b>{exact(goroutines)} goroutines by start function, go statement and {weight === 'ns' ? 'time in each state' : 'state'}</b>
				{live ? ', those that have exited and are kept included.' : '. A recorded session has no stacks; this is not made of any.'}</>}
		{truncated ? <b class="warn"> Too many different stacks: some are cut short.</b> : null}</div>;
}

const COMPARABLE = 25; // samples: then one standard deviation is a fifth

const timeOf = (ns: number) => app.timeText(ns - app.origin, 1e9);

// What the samples are: how many, how fine, what of the time they stand for, and why there are none.
function CpuNote({ answer: a, brief }: { answer: Answer; brief?: boolean }) {
	const late = a.covered_from_ns !== undefined && a.covered_from_ns > (a.from ?? 0) + 1e6 && a.samples;
	const gone = a.covered_from_ns !== undefined && a.to !== undefined && a.covered_from_ns >= a.to;
	return <>
		{a.samples ? <><b>{exact(a.samples)} sample{a.samples === 1 ? '' : 's'}, {duration(a.root.ns)} of CPU time ± {duration(a.error_ns ?? 0)}</b>
			{brief ? '' : <> of {exact(a.goroutines)} goroutine{a.goroutines === 1 ? '' : 's'}</>}, {timeOf(a.from ?? 0)} to {timeOf(a.to ?? 0)}{a.hz ? `, ${a.hz} a second on each CPU` : ''}.
			{a.running_ns ? <> By events they ran {duration(a.running_ns)} of it{a.running_exact ? '' : ', at least'}: {(a.samples ?? 0) >= COMPARABLE ? `the samples stand for ${Math.round(100 * a.root.ns / a.running_ns)} % of that` : 'too few samples to be held against that'}{a.unknown_ns ? `; of ${duration(a.unknown_ns)} it is not known` : ''}.</> : null}</> : null}
		{late && !gone ? <b class="warn"> Covered from {timeOf(a.covered_from_ns!)} on: samples are kept one by one for ten minutes, 524,288 at most.</b> : null}
		{a.why ? <b class={a.samples ? 'warn' : ''}> {a.samples ? '' : 'No samples: '}{a.why}.</b> : null}
		{a.lost_since_start ? ` ${exact(a.lost_since_start)} samples were lost since tracing began.` : ''}
		{a.truncated ? <b class="warn"> Too many different stacks: some are cut short.</b> : null}</>;
}

function AllocNote({ answer: a }: { answer: Answer }) {
	return <><b>{exact(a.root.goroutines)} allocations, {bytes(a.root.ns)}</b> by start function, call site and type. <b class="warn">What this sees: {a.seen}.</b>
		{a.maps ? ` ${exact(a.maps)} maps count without bytes.` : ''}
		{a.exited_missing ? <b class="warn"> {exact(a.exited_dropped ?? 0)} exited goroutines are no longer kept, and not in it.</b> : null}
		{a.exact === false && !a.exited_missing && a.since_ns ? <b class="warn"> Events before {timeOf(a.since_ns)} are no longer kept.</b> : null}
		{app.isLive ? <> <button class="link" onClick={() => app.view.set('memory')}>Sampled, by call site: Memory</button></> : null}
		{a.truncated ? <b class="warn"> Too many different ones: some are cut short.</b> : null}</>;
}

// Those of one goroutine, in its panel.
export function CpuOf({ goid }: { goid: number }) {
	const range = useValue(app.range);
	const [path, setPath] = useState<string[]>([]);
	const asked = question('cpu', goid);
	const { value, problem } = usePolled(() => getFlame('cpu', goid).then((got) => ({ got, asked })), EVERY_MS, [asked]);
	useEffect(() => setPath([]), [asked]);
	const answer = value?.asked === asked ? value.got : null;
	if (!answer) return <p class="muted">{problem || '…'}</p>;
	return <>
		<p class="muted">{range ? 'In the selected time: ' : ''}<CpuNote answer={answer} brief /></p>
		{answer.root.ns ? <><div class="flame-in-panel"><Graph root={answer.root} by="cpu" weight="ns" path={path} zoom={setPath} test={null} /></div>
			<button onClick={() => { app.flame.update({ by: 'cpu', weight: 'ns', path: [], goid }); app.view.set('flame'); }}>On the whole page</button></> : null}
	</>;
}

function colorOf(node: FlameNode, depth: number): string {
	const look = app.look.get();
	if (node.kind === 'state') {
		const i = stateNumber(node.name);
		return i >= 0 ? look.state[i] : look.wait[kindOf(node.name)]; // what is no state is why it waits
	}
	return `color-mix(in srgb, var(--text) ${depth === 0 ? 16 : 7 + (depth % 2) * 4}%, var(--bg))`;
}

const same = (a: string[], b: string[]) => a.length === b.length && a.every((x, i) => x === b[i]);

interface GraphProps { root: FlameNode; by: FlameChoice['by']; weight: FlameChoice['weight']; path: string[]; zoom: (path: string[]) => void; test: ((n: FlameNode) => boolean) | null }

function Graph({ root, by, weight, path, zoom: zoomTo, test }: GraphProps) {
	const box = useRef<HTMLDivElement>(null);
	const [width, setWidth] = useState(800);
	const [focus, setFocus] = useState<string[]>([]); // the box the keys are at
	const [hover, setHover] = useState<FlameNode | null>(null);
	const pointer = useRef('');
	// A browser also says "moved" when boxes move under a pointer that rests; that must not undo what a key chose.
	const point = (e: MouseEvent, node: FlameNode) => {
		const at = `${e.clientX},${e.clientY}`;
		if (at !== pointer.current) setHover(node);
		pointer.current = at;
	};
	useEffect(() => {
		const observer = new ResizeObserver(() => setWidth(box.current?.clientWidth || 800));
		observer.observe(box.current!);
		return () => observer.disconnect();
	}, []);
	const boxes = layout(root, path, weight, width);
	const at = boxes.find((b) => same(b.path, focus)) ?? boxes[Math.min(path.length, boxes.length - 1)];
	const depth = Math.max(...boxes.map((b) => b.depth)) + 1;
	const total = weigh(root, weight);

	const go = (to: Box | undefined) => {
		if (!to) return;
		setFocus(to.path);
		setHover(null);
		const index = boxes.indexOf(to);
		(box.current?.children[index] as HTMLElement | undefined)?.focus();
	};
	const zoom = (to: string[]) => {
		zoomTo(to);
		setFocus(to);
	};
	const onKey = (e: KeyboardEvent) => {
		if (e.ctrlKey || e.metaKey || e.altKey) return;
		const level = boxes.filter((b) => b.depth === at.depth);
		const beside = (step: number) => level[level.indexOf(at) + step];
		if (e.key === 'ArrowDown') go(boxes.find((b) => b.depth === at.depth + 1 && same(b.path.slice(0, -1), at.path)));
		else if (e.key === 'ArrowUp') go(boxes.find((b) => same(b.path, at.path.slice(0, -1))));
		else if (e.key === 'ArrowLeft') go(beside(-1));
		else if (e.key === 'ArrowRight') go(beside(1));
		else if (e.key === 'Enter' || e.key === ' ') zoom(at.path);
		else if ((e.key === 'Escape' || e.key === 'Backspace') && path.length) zoom(path.slice(0, -1));
		else return;
		e.preventDefault();
		e.stopPropagation();
	};
	const shown = hover ?? at.node;
	return <>
		<Details node={shown} by={by} weight={weight} total={total} />
		<div class="flame-scroll"><div class="flame-graph" ref={box} role="tree" aria-label="Flame graph. Arrows choose a box, Enter zooms in, Escape zooms out." style={{ height: `${depth * 19}px` }} onKeyDown={onKey}
			onMouseLeave={() => setHover(null)}>
			{boxes.map((b) => {
				const color = colorOf(b.node, b.depth), hit = test?.(b.node);
				const style: Record<string, string> = { left: `${b.left * 100}%`, width: `calc(${b.width * 100}% - 1px)`, top: `${b.depth * 19}px`, background: color };
				if (color.startsWith('#')) style.color = textOn(color);
				// By its path: the box that has the focus must outlast a zoom, which leaves others out.
				return <div key={`${b.node.kind} ${b.path.join(';')}`} role="treeitem" tabIndex={b === at ? 0 : -1} aria-selected={b === at}
					aria-label={`${b.node.name}, ${say(weigh(b.node, weight), weight, by)}`} style={style}
					class={`flame-box ${test ? hit ? 'hit' : 'miss' : ''}`} onClick={() => zoom(b.path)} onFocus={() => setFocus(b.path)} onMouseMove={(e) => point(e, b.node)}>
					{b.width * width > 24 ? <span>{b.node.kind === 'function' ? shortFunc(b.node.name) : b.node.name}</span> : null}</div>;
			})}</div></div>
	</>;
}

function Details({ node, by, weight, total }: { node: FlameNode; by: FlameChoice['by']; weight: FlameChoice['weight']; total: number }) {
	const share = total ? 100 * weigh(node, weight) / total : 0;
	return <div class="flame-details"><b class="mono">{node.name}</b> {node.at ? <span class="mono small muted">{node.at}</span> : null}
		<span> {exact(node.goroutines)} {ONES[by]}{node.goroutines === 1 ? '' : 's'}, {say(node.ns, 'ns', by)} in all, {share.toFixed(share < 10 ? 1 : 0)}%</span>
		{node.sample ? <button class="link" onClick={() => goTo(node.sample)}>one of {by === 'cpu' || by === 'alloc' ? 'its goroutines' : 'them'}: {node.sample}</button> : null}</div>;
}
