// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Our colours: contrast on every ground they stand on, text on what it stands on, and how far apart
// they are for who sees all of them and for the colour-blind: node colors.mjs UI BUILD
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { load } from './module.mjs';

const { OURS, swatch, contrast, mix, textOn, STATES, WAIT_KINDS, WAIT_CELLS, kindOf, shownAs, stateOf } = await load('./colors',
	"export { STATES, WAIT_KINDS, WAIT_CELLS } from 'contract'; export { kindOf, shownAs, stateOf } from './waitkind';");
const css = readFileSync(join(process.argv[2], 'src/style.css'), 'utf8');
let failed = 0;
const check = (ok, text) => { if (!ok) failed++, console.log(text); };

// The theme's own colours, as the style sheet has them.
const block = (selector) => Object.fromEntries([...css.slice(css.indexOf(selector)).split('}')[0].matchAll(/--(\w+): (#[0-9a-f]{6})/g)].map((m) => [m[1], m[2]]));
const themes = { light: block(':root {'), dark: block(':root[data-theme=dark] {') };
const GROUNDS = ['bg', 'raised', 'stripe', 'selected'];

for (const [theme, v] of Object.entries(themes)) {
	for (const ground of GROUNDS) {
		for (const text of ['text', 'muted', 'accent', 'danger', 'warn'])
			check(contrast(v[text], v[ground]) >= 4.5, `${theme}: ${text} on ${ground} is ${contrast(v[text], v[ground]).toFixed(2)}:1`);
		for (const [name, color] of [...OURS[theme].state.map((c, i) => [STATES[i], c]), ...OURS[theme].wait.map((c, i) => [`waiting: ${WAIT_KINDS[i]}`, c]), ...Object.entries(OURS[theme].type)])
			check(contrast(color, v[ground]) >= 3, `${theme}: ${name} on ${ground} is ${contrast(color, v[ground]).toFixed(2)}:1`);
	}
}
for (let i = 0; i < 4096; i++) { // text on any colour
	const color = `#${[i >> 8, i >> 4 & 15, i & 15].map((x) => (x * 17).toString(16).padStart(2, '0')).join('')}`;
	check(contrast(color, textOn(color)) >= 4.5, `text on ${color}`);
}

// Machado, Oliveira, Fernandes, "A Physiologically-based Model for Simulation of Color Vision
// Deficiency" (2009), severity 1, on linear RGB; distance in CIE L*a*b* (1976).
const SEEN = {
	all: [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
	protanopia: [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
	deuteranopia: [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
	tritanopia: [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
};
const linear = (color) => [1, 3, 5].map((i) => parseInt(color.slice(i, i + 2), 16) / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
const times = (m, v) => m.map((row) => row.reduce((sum, x, i) => sum + x * v[i], 0));
const lab = (rgb) => {
	const f = (t) => (t > 0.008856 ? Math.cbrt(t) : 7.787 * t + 16 / 116);
	const [x, y, z] = times([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175], [0.0193339, 0.119192, 0.9503041]], rgb).map((c, i) => f(c / [0.95047, 1, 1.08883][i]));
	return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
};
const apart = (a, b, m) => Math.hypot(...lab(times(m, linear(a)).map((c) => Math.min(1, Math.max(0, c)))).map((x, i) => x - lab(times(m, linear(b)).map((c) => Math.min(1, Math.max(0, c))))[i]));
check(apart('#000000', '#ffffff', SEEN.all) > 99 && apart('#e00000', '#608000', SEEN.deuteranopia) < 40, 'the measure itself');
const acting = ['running', 'runnable', 'syscall', 'preempted', 'leaked'];
for (const theme of ['light', 'dark'])
	for (const [group, least] of [[acting.map((name) => [name, OURS[theme].state[STATES.indexOf(name)]]), 16], [WAIT_KINDS.map((name, i) => [name, OURS[theme].wait[i]]), 11]])
		for (const [eye, m] of Object.entries(SEEN))
			group.forEach(([a, x], i) => group.slice(0, i).forEach(([b, y]) =>
				check(apart(x, y, m) >= least, `${theme}, ${eye}: ${a} and ${b} are ${apart(x, y, m).toFixed(1)} apart`)));

// Which reason is of which kind, and how cells have it.
for (const [reason, kind] of [['sync.Mutex.Lock', 'sync'], ['semacquire', 'sync'], ['chan receive (nil chan)', 'channel'], ['select (no cases)', 'channel'], ['IO wait', 'network'], ['sleep', 'sleep'],
	['GC worker (idle)', 'idle'], ['GC assist wait', 'gc'], ['wait for GC cycle', 'gc'], ['', 'other'], ['panicwait', 'other']]) {
	check(WAIT_KINDS[kindOf(reason)] === kind, `${reason} is ${WAIT_KINDS[kindOf(reason)]}`);
	const shown = shownAs(STATES.indexOf('waiting'), reason);
	check(shown === WAIT_CELLS[WAIT_KINDS.indexOf(kind)] && STATES[stateOf(shown)] === 'waiting', `${reason} in a cell: ${shown}`);
}
check(shownAs(STATES.indexOf('dead')) === 15 && swatch(OURS.light, STATES.indexOf('dead')) === OURS.light.state[6], 'one that has exited waits');
check(shownAs(STATES.indexOf('running'), 'sleep') === STATES.indexOf('running'), 'one that runs waits for nothing');
check(mix('#000000', '#ffffff', 0.5) === '#808080', 'half of both');
process.exit(failed ? 1 : 0);
