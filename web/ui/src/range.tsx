// Statistics of the selected time range, over the goroutines in the list or the selected one.
import { useEffect, useState } from 'preact/hooks';
import { app } from './app';
import { at, getJson, getText, int } from './api';
import { bytes, count, duration, exact } from './format';
import { useValue } from './store';

interface RangeStats {
	since_ns: number;
	exact: boolean;
	percentile_error_percent: number;
	goroutines: number;
	created: number;
	exited: number;
	events: Record<string, number>;
	alloc_bytes: number;
	states: { state: string; total_ns: number; stays: number; p50_ns: number; p99_ns: number; max_ns: number }[];
}

function path(from: number, to: number, goid: number | null, filter: string): string {
	const which = goid !== null ? `goids=${goid}` : `filter=${encodeURIComponent(filter)}`;
	return at(app.source.get(), `range?from=${int(from + app.origin)}&to=${int(to + app.origin)}&${which}`);
}

export function RangeBar() {
	const range = useValue(app.range);
	const browse = useValue(app.browse);
	const selected = useValue(app.selected);
	const [only, setOnly] = useState(false);
	const [stats, setStats] = useState<RangeStats | null>(null);
	const [copied, setCopied] = useState(false);
	const goid = only && selected !== null ? selected : null;

	useEffect(() => {
		setStats(null);
		setCopied(false);
		if (!range) return;
		let stale = false;
		const timer = setTimeout(() => {
			getJson<RangeStats>(path(range.from, range.to, goid, browse.filter))
				.then((s) => { if (!stale) setStats(s); }).catch((e) => app.fail(e));
		}, 100);
		return () => {
			stale = true;
			clearTimeout(timer);
		};
	}, [range?.from, range?.to, goid, browse.filter]);

	if (!range) return null;
	const config = app.config.get();
	const total = stats?.states.reduce((sum, s) => sum + s.total_ns, 0) || 1;
	const colorOf = (name: string) => config.state_colors[
		['idle', 'runnable', 'running', 'syscall', 'waiting', 'moribund', 'dead', 'enqueue', 'copystack',
			'preempted', 'leaked', 'deadextra'].indexOf(name)];
	const copy = async () => {
		const csv = await getText(path(range.from, range.to, goid, browse.filter) + '&format=csv');
		await copyText(csv);
		setCopied(true);
	};
	return (
		<section class="bottom-bar range" aria-label="Selected time">
			<div class="range-head">
				<b>{duration(range.to - range.from)}</b>
				<span class="muted">{stats ? `${exact(stats.goroutines)} goroutines, ${stats.created} created, ${stats.exited} exited, ` +
					`${count(Object.values(stats.events).reduce((a, b) => a + b, 0))} events, ${bytes(stats.alloc_bytes)} allocated` : '…'}
					{stats && !stats.exact ? <b class="warn"> · events before {duration(stats.since_ns - app.origin)} are no longer kept</b> : null}</span>
				{selected !== null ? <label class="check"><input type="checkbox" checked={only}
					onChange={(e) => setOnly(e.currentTarget.checked)} />only goroutine {selected}</label> : null}
				<span class="grow" />
				<button onClick={() => void copy().catch((e) => app.fail(e))}>{copied ? 'Copied' : 'Copy CSV'}</button>
				<button class="icon" aria-label="Close" onClick={() => app.range.set(null)}>✕</button>
			</div>
			{stats ? <table>
				<thead><tr><th>State</th><th>Time</th><th>Share</th><th>Stays</th><th title={`within ${stats.percentile_error_percent} %`}>p50</th>
					<th title={`within ${stats.percentile_error_percent} %`}>p99</th><th>Longest</th></tr></thead>
				<tbody>{stats.states.map((s) => (
					<tr><td><i class="dot" style={{ background: colorOf(s.state) }} />{s.state}</td>
						<td>{duration(s.total_ns)}</td>
						<td><div class="share"><i style={{ width: `${100 * s.total_ns / total}%`, background: colorOf(s.state) }} />
							{(100 * s.total_ns / total).toFixed(1)}%</div></td>
						<td>{exact(s.stays)}</td><td>{duration(s.p50_ns)}</td><td>{duration(s.p99_ns)}</td><td>{duration(s.max_ns)}</td></tr>))}
				</tbody></table> : null}
		</section>
	);
}

// The clipboard API is there on secure origins only; 127.0.0.1 is one, another address is not.
export async function copyText(text: string): Promise<void> {
	if (navigator.clipboard && window.isSecureContext) return navigator.clipboard.writeText(text);
	const area = document.createElement('textarea');
	area.value = text;
	document.body.append(area);
	area.select();
	document.execCommand('copy');
	area.remove();
}
