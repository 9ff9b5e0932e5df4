// The UI open in Chromium on a live target, until its input ends: node web_cost.mjs URL. Prints "open" when it shows rows.
import { open } from './browser.mjs';

const { page, close } = await open();
await page.goto(process.argv[2]);
await page.waitForFunction(() => window.timeline?.entries.length > 0);
console.log('open');
process.stdin.resume();
process.stdin.on('end', () => void close().then(() => process.exit(0)));
