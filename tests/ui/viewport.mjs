// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Where the timeline goes and comes back to: node viewport.mjs UI BUILD
import { strict as assert } from 'node:assert';
import { load } from './module.mjs';

globalThis.matchMedia = () => ({ matches: true }); // no movement: at once
const { Viewport, badgeMiddle, cut } = await load('./timeline/viewport');
const v = new Viewport();
const place = () => [v.t0, v.scale];
Object.assign(v, { width: 1000, scale: 1e6, t0: 0, end: 1e9 });

// The first step can be taken back, all of it, and again.
const first = place();
v.zoom(0.5, 500);
v.zoom(0.5, 500);
v.pan(40, 0);
const second = place();
assert.notDeepEqual(second, first);
v.goTo(1e8, 2e8);
const third = place();
v.back();
assert.deepEqual(place(), second);
v.back();
assert.deepEqual(place(), first);
v.back();
assert.deepEqual(place(), first);
v.forward();
v.forward();
assert.deepEqual(place(), third);
v.back();
v.pan(10, 0); // another way: the old one is gone
const other = place();
v.forward();
assert.deepEqual(place(), other);

// However far somebody pans, something of what there is stays in sight.
for (const dx of [-1e9, 1e9]) {
	v.pan(dx, 0);
	assert.ok(v.t1 > 0 && v.t0 < v.end, `${v.t0} to ${v.t1}`);
}

// What is longer than the widest look fits into it, and a little more.
v.end = 3 * 86400e9;
v.goTo(-1e12, v.end + 1e12);
assert.ok(v.t0 <= 0 && v.t1 >= v.end, `of three days ${v.t0} to ${v.t1}`);
for (let i = 0; i < 40; i++) v.zoom(1.35, 500);
assert.ok(v.t1 - v.t0 < 3 * v.end, `it goes on to ${v.t1 - v.t0}`);
for (let i = 0; i < 200; i++) v.zoom(1 / 1.35, 500);
assert.equal(v.scale, 1, 'it goes no closer than a ns a pixel');

// Nothing is shown but what there is, and a little beside it, whichever way somebody tries: the wheel, a box, a
// drag, a link; with what is shorter than the width, all of it.
const beside = (most) => {
	assert.ok(v.t0 >= -most - 1 && v.t1 <= Math.max(v.end, 1e9) + most + 1, `${v.t0} to ${v.t1} of ${v.end}`);
	assert.ok(v.t1 > 0 && v.t0 < v.end);
};
for (const end of [60e9, 2e9, 1e7]) {
	Object.assign(v, { end, t0: 0, scale: end / 1000 });
	const margin = Math.max(0.06 * end, end < 1e9 ? 1e9 : 0);
	for (const x of [0, 500, 1000]) {
		for (let i = 0; i < 40; i++) v.zoom(1.35, x);
		beside(margin);
		for (const dx of [-1e9, 1e9]) {
			v.pan(dx, 0);
			beside(margin);
		}
	}
	for (const [from, to] of [[-1e15, 1e15], [-1e15, -9e14], [5e14, 6e14], [0, end]]) {
		v.goTo(from, to);
		beside(margin);
		v.show(from, to);
		beside(margin);
	}
}
// The whole fits in, with its margin; a moment of it can be in the middle.
v.end = 60e9;
v.show(-0.6e9, 60.6e9);
assert.deepEqual([v.t0, v.t1].map(Math.round), [-0.6e9, 60.6e9]);
v.goTo(60e9 - 1e6, 60e9 + 1e6);
assert.ok(Math.abs(v.t0 - (60e9 - 1e6)) < 10, `the end in the middle: ${v.t0}`);

// How long the selected time is, is never cut by an edge.
assert.equal(badgeMiddle(300, 500, 60, 220, 1280), 400);
assert.equal(badgeMiddle(-800, 240, 60, 220, 1280), 250, 'its middle is beyond the left edge');
assert.equal(badgeMiddle(1270, 2000, 60, 220, 1280), 1250, 'and beyond the right one');
assert.equal(badgeMiddle(100, 210, 60, 220, 1280), null, 'nothing of it is in sight');
assert.equal(badgeMiddle(300, 500, 60, 220, 260), null, 'no room at all');
// What is in sight has a px there, also where no more than a part of one is left of it.
assert.deepEqual(cut(300, 310, 220, 1280), { x: 300, width: 10 });
assert.deepEqual(cut(300, 300, 220, 1280), { x: 300, width: 1 });
assert.deepEqual(cut(210, 220, 220, 1280), { x: 220, width: 1 }, 'its end is at the left edge');
assert.deepEqual(cut(1280, 1290, 220, 1280), { x: 1279, width: 1 }, 'its begin is at the right edge');
assert.deepEqual(cut(100, 2000, 220, 1280), { x: 220, width: 1060 });
process.exit(0); // not when the last movement has settled
