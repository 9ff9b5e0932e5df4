// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// How high a value stands, 0 to 1: by its logarithm, so that beside one burst what is usual is seen
// all the same.
export function heights(values: number[]): (v: number) => number {
	const some = values.filter((v) => v > 0).sort((a, b) => a - b);
	if (!some.length) return () => 0;
	const usual = some[some.length >> 1], most = Math.log2(1 + some[some.length - 1] / usual);
	return (v) => (v > 0 ? Math.max(0.04, Math.log2(1 + v / usual) / most) : 0);
}
