// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What took a goroutine's time of late: its longest stays, why, and who ended them.
import { STATES, STAY, type Stay } from 'contract';
import { app } from './app';
import { swatch } from './colors';
import { duration, goidText, shortFunc } from './format';
import { showTime } from './goto';

export const OF_LATE_NS = 60e9, STAYS_SHOWN = 4;

export function Slow({ stays, goTo }: { stays: Stay[]; goTo: (goid: number) => void }) {
	if (!stays.length) return <p class="muted">None kept.</p>;
	const show = (s: Stay) => {
		const from = s[STAY.begin] - app.origin, to = from + s[STAY.ns], pad = Math.max((to - from) / 3, 1000);
		showTime(from - pad, to + pad);
	};
	return <table class="spans slow"><tbody>{stays.map((s) => {
		const by = s[STAY.ended_by], who = by ? app.table?.rows.get(by)?.func : '';
		return <tr onClick={() => show(s)} title="Show it on the timeline">
			<td><button class="link"><i class="dot" style={{ background: swatch(app.look.get(), s[STAY.state], s[STAY.reason]) }} />{STATES[s[STAY.state]]}</button>{s[STAY.reason] ? <span class="muted"> {s[STAY.reason]}</span> : null}
				{by ? <div class="small ended-by">ended by <button class="link" onClick={(e) => {
					e.stopPropagation();
					goTo(by);
				}}>{goidText(by)}</button>{who ? <span class="mono"> {shortFunc(who)}</span> : null}</div> : null}</td>
			<td class="num">{s[STAY.begin_known] ? '' : '≥ '}{duration(s[STAY.ns])}{s[STAY.end] ? '' : ' …'}</td></tr>;
	})}</tbody></table>;
}
