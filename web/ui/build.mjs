// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Bundles the UI: node build.mjs OUTDIR [MODULES]. MODULES is the folder node_modules is in (meson
// installs into the build folder, so that nothing is written among the sources), and contract.ts, which
// meson has written (core/view/contract.c).
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const out = resolve(process.argv[2] ?? join(here, 'dist'));
const modules = resolve(process.argv[3] ?? here);
const require = createRequire(join(modules, 'package.json'));
const esbuild = require('esbuild');

mkdirSync(out, { recursive: true });
await esbuild.build({
	entryPoints: { app: join(here, 'src/main.tsx') },
	outdir: out,
	bundle: true,
	minify: true,
	format: 'esm',
	target: ['es2021', 'chrome100', 'firefox100', 'safari15'],
	jsx: 'automatic',
	jsxImportSource: 'preact',
	alias: { contract: join(modules, 'contract.ts') },
	nodePaths: [join(modules, 'node_modules')],
	legalComments: 'none',
	charset: 'utf8',
	logLevel: 'warning',
});
copyFileSync(join(here, 'src/index.html'), join(out, 'index.html'));
copyFileSync(join(here, 'src/icon.svg'), join(out, 'icon.svg'));
// The licences of what is bundled travel with it.
const licences = ['preact', 'uplot'].map((name) => {
	const text = readFileSync(join(modules, 'node_modules', name, 'LICENSE'), 'utf8');
	return `${name}\n\n${text}`;
});
writeFileSync(join(out, 'licences.txt'), licences.join('\n\n'));
