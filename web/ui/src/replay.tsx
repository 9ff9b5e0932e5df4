// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Plays a recorded session in the browser: a position that moves; what is later is not shown.
import { useEffect } from 'preact/hooks';
import { app } from './app';
import { rulerTime } from './format';
import { useValue } from './store';

const SPEEDS = [0.01, 0.1, 0.25, 0.5, 1, 2, 5, 10, 100];

export function ReplayBar() {
	const status = useValue(app.status);
	const playhead = useValue(app.playhead);
	const speed = useValue(app.speed);
	const playing = speed > 0;
	const end = app.end(), step = Math.min(1e6, Math.max(1, end / 1e3));

	useEffect(() => {
		if (!playing) return;
		let last = performance.now(), raf = 0;
		const step = (at: number) => {
			const next = (app.playhead.get() ?? 0) + (at - last) * 1e6 * app.speed.get();
			last = at;
			if (next >= app.end()) {
				app.playhead.set(null);
				app.speed.set(0);
				return;
			}
			app.playhead.set(next);
			raf = requestAnimationFrame(step);
		};
		raf = requestAnimationFrame(step);
		return () => cancelAnimationFrame(raf);
	}, [playing]);

	if (!status || status.state !== 'ready' || status.id === 'live') return null;
	return (
		<div class="bottom-bar replay">
			<button disabled={!end} onClick={() => {
				if (playing) return app.speed.set(0);
				if (playhead === null) app.playhead.set(0);
				app.follow.set(true);
				app.speed.set(lastSpeed);
			}} title="Play or hold (Space)">{playing ? '❚❚ Hold' : '▶ Replay'}</button>
			<input type="range" min={0} max={1000} step={0.1} aria-label="Position"
				value={(playhead ?? end) / Math.max(1, end) * 1000}
				onInput={(e) => {
					const t = Number(e.currentTarget.value) / 1000 * end;
					app.playhead.set(t >= end * 0.9999 ? null : t);
					app.rebuild();
				}} />
			<span class="mono">{end ? `${rulerTime(playhead ?? end, step)} of ${rulerTime(end, step)}` : 'nothing'}</span>
			{playhead === null ? null : <span class="muted as-of" title="The rows are as they were at this time. Filters, sorting, the goroutine's panel and the other views are of the whole session.">other views: whole session</span>}
			<select aria-label="Speed" value={String(playing ? speed : lastSpeed)} onChange={(e) => {
				lastSpeed = Number(e.currentTarget.value);
				if (playing) app.speed.set(lastSpeed);
			}}>{SPEEDS.map((s) => <option value={String(s)}>{s}×</option>)}</select>
		</div>
	);
}

let lastSpeed = 1;

export function togglePlay(): void {
	if (app.source.get() === 'live') return app.setPaused(!app.paused.get());
	if (app.speed.get()) return app.speed.set(0);
	if (!app.end()) return;
	if (app.playhead.get() === null) app.playhead.set(0);
	app.follow.set(true);
	app.speed.set(lastSpeed);
}
