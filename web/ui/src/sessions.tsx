// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Recorded sessions: open one to look at it and replay it, or download it.
import { useEffect, useState } from 'preact/hooks';
import { app } from './app';
import { getSessions } from './api';
import { Downloads } from './downloads';
import { bytes, clock, exact, length } from './format';
import { useValue } from './store';
import type { Session } from './types';

export function Sessions() {
	const [sessions, setSessions] = useState<Session[] | null>(null);
	const source = useValue(app.source);

	useEffect(() => {
		const again = () => getSessions().then(setSessions).catch((e) => app.fail(e));
		void again();
		const timer = setInterval(() => { if (!document.hidden) void again(); }, 3000);
		return () => clearInterval(timer);
	}, []);

	const open = (id: string) => {
		app.selected.set(null);
		void app.open(id);
		app.view.set('timeline');
	};
	return (
		<div class="page sessions">
			<div class="bar"><button class={source === 'live' ? 'on' : ''} onClick={() => open('live')}>Live</button>
				<Downloads source="live" proc={0} label="Download live" />
				<span class="muted">What -record or -web stored. Opening one reads it here; nothing reaches the target.</span></div>
			{!sessions ? <div class="empty">…</div> : !sessions.length ? <div class="empty">No session has been recorded yet.</div> :
				<table class="wide"><thead><tr><th /><th>Started</th><th class="num">Length</th><th>Program</th><th class="num">Pid</th><th class="num">Events</th><th class="num">Lost</th>
					<th class="num">Size</th><th>State</th><th>Session</th><th /></tr></thead>
					<tbody>{[...sessions].reverse().map((s) => {
						const start = Date.parse(s.start_time), end = s.end_time ? Date.parse(s.end_time) : 0;
						return <tr class={source === s.id ? 'on' : ''}>
							<td><button onClick={() => open(s.id)}>{source === s.id ? 'Opened' : 'Open'}</button></td>
							<td>{clock(start)}</td><td class="num">{end ? length((end - start) * 1e6) : ''}</td>
							<td class="mono clip" title={s.binary_path}>{s.binary_path.split('/').pop()}</td><td class="num">{s.pid}</td>
							<td class="num">{s.event_count ? exact(s.event_count) : ''}</td><td class="num">{s.lost === undefined ? '' : exact(s.lost)}</td><td class="num">{bytes(s.bytes)}</td>
							<td title={s.stopped}>{s.recording ? 'recording' : s.state}</td><td class="mono small">{s.id.slice(0, 8)}</td>
							<td class="actions"><Downloads source={s.id} proc={0} label="Download" /></td></tr>;
					})}</tbody></table>}
		</div>
	);
}
