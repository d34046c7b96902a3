// Uses the page /support as support does, in one browser: finds classes, reads how they are, cancels and retries, on a
// desktop and on a phone in the dark. Prints what the page said, and what is wrong: violations of accessibility rules,
// errors that the browser reports, and text that does not fit. With a folder, it writes screenshots there.
import { readFileSync } from 'node:fs';
import axe from 'axe-core';
import { chromium } from 'playwright-core';

const { browser: executablePath, url, prefixed, many, tokens, classes, folder } = JSON.parse(readFileSync(0));
const browser = await chromium.launch({ executablePath });
const seen = { wrong: [] };
const wrong = (what) => seen.wrong.push(what);

async function open(options) {
  const context = await browser.newContext({
    timezoneId: 'Europe/Berlin', locale: 'de-DE', permissions: ['clipboard-read', 'clipboard-write'], ...options,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  page.on('console', (message) => {
    // The browser reports every answer that is an error.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) wrong(message.text());
  });
  page.on('pageerror', (error) => wrong(String(error)));
  page.on('dialog', (dialog) => { wrong(`a script has run: ${dialog.message()}`); dialog.dismiss(); });
  return page;
}

async function signIn(page, token) {
  await page.getByLabel('Token').fill(token);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

async function search(page, text) {
  await page.getByLabel('Find a class').fill(text);
  await page.getByRole('button', { name: 'Search', exact: true }).click();
  await page.waitForFunction(() => document.getElementById('explanation').textContent.startsWith('Searched for'));
  return page.locator('#explanation').innerText();
}

const how = (page) => page.locator('#how').innerText();
const saying = (page, text) => page.locator('#how').getByText(text).first().waitFor();

async function picture(page, name) {
  if (folder) await page.screenshot({ path: `${folder}/${name}.png` });
}

// check looks for violations of the rules for accessibility, and for text that does not fit into the window.
async function check(page, what) {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => axe.run({
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
  }));
  for (const v of violations) wrong(`${what}: ${v.id}: ${v.help}: ${v.nodes.map((n) => n.html).join(' ')}`);
  const [needed, has] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  if (needed > has) wrong(`${what}: it is ${needed} wide in a window of ${has}`);
}

// answer fills in the dialog for a reason.
async function answer(page, button, reason) {
  await page.getByRole('button', { name: button, exact: true }).click();
  await page.getByLabel('Reason').fill(reason);
  await page.locator('#ask-yes').click();
  await page.locator('#ask').waitFor({ state: 'hidden' });
}

async function onADesktop() {
  const page = await open({ viewport: { width: 1280, height: 860 }, colorScheme: 'light' });
  await page.goto(`${url}/support`);
  await check(page, 'sign-in');
  await signIn(page, tokens.valid);
  seen.audience = await page.getByLabel('Audience').inputValue();

  seen.searched = await search(page, classes.stuck.scope);
  await page.getByRole('link', { name: classes.stuck.scope }).focus();
  await page.keyboard.press('Enter');
  await saying(page, 'Last answer');
  seen.stuck = await how(page);
  seen.focused = await page.evaluate(() => document.activeElement.textContent);
  seen.timeline = await page.locator('.timeline').innerText();
  seen.runLink = await page.getByRole('link', { name: 'Run in Temporal' }).first().getAttribute('href');
  await check(page, 'a stuck class');
  await picture(page, 'support-page');
  await page.getByRole('button', { name: 'Copy for the conference team' }).click();
  await page.getByText('Copied.').waitFor();
  seen.copied = await page.evaluate(() => navigator.clipboard.readText());

  await page.getByRole('button', { name: 'Cancel…' }).click();
  await page.keyboard.press('Escape');
  seen.focusedAfterEscape = await page.evaluate(() => document.activeElement.textContent);
  await page.getByRole('button', { name: 'Cancel…' }).click();
  await check(page, 'the dialog');
  await page.getByRole('button', { name: 'Back' }).click();
  await answer(page, 'Cancel…', 'the lesson was moved');
  await saying(page, 'Failed at');
  seen.cancelled = await how(page);

  await search(page, classes.failed.id);
  await saying(page, 'Failed at');
  seen.failed = await how(page);
  await answer(page, 'Retry…', 'conference is back');
  await saying(page, 'Ready');
  seen.retried = await how(page);

  seen.foundByHost = await search(page, classes.hostile.host);
  await page.getByRole('link', { name: classes.hostile.scope }).click();
  await page.getByRole('heading', { name: classes.hostile.scope }).waitFor();
  seen.hostile = await page.locator('#class').innerText();
  if (await page.locator('#work img, #work svg, #work script, #work b').count()) wrong('text has become HTML');

  await page.context().setOffline(true);
  await search(page, 'offline');
  seen.offline = await page.locator('#found').innerText();
  await page.context().close();
}

async function onAPhone() {
  const page = await open({
    viewport: { width: 360, height: 740 }, colorScheme: 'dark', isMobile: true, hasTouch: true,
  });
  await page.goto(`${prefixed}/support#${classes.long.id}`);
  await signIn(page, tokens.valid);
  await saying(page, 'Ready');
  await check(page, 'a class on a phone');
  await page.getByRole('link', { name: 'Back to the list' }).click();
  await search(page, classes.long.scope.slice(0, 20));
  await page.getByRole('link', { name: classes.long.scope }).waitFor();
  await check(page, 'a list on a phone');
  seen.dark = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await search(page, classes.shown.scope);
  await page.getByRole('link', { name: classes.shown.scope }).click();
  await saying(page, 'Last answer');
  await picture(page, 'support-page-phone');

  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByLabel('Token').waitFor();
  seen.afterSignOut = await page.locator('#class').innerText();
  await signIn(page, tokens.expired);
  await page.locator('#sign-in-problem').waitFor();
  seen.expired = await page.locator('#sign-in-problem').innerText();
  await page.context().close();
}

async function withoutARight() {
  const page = await open({ viewport: { width: 800, height: 600 } });
  await page.goto(`${url}/support#${classes.failed.id}`);
  await signIn(page, tokens.stranger);
  await page.locator('#class .problem').waitFor();
  await page.locator('#found .problem').waitFor({ state: 'attached' });
  seen.unseen = await page.locator('#class').innerText();
  seen.forbidden = await page.locator('#found').textContent();
  await page.context().close();
}

async function amongMany() {
  const page = await open({ viewport: { width: 1000, height: 800 } });
  await page.goto(`${many}/support`);
  await signIn(page, tokens.valid);
  const rows = page.locator('.classes li');
  const number = (n) => page.waitForFunction((n) => document.querySelectorAll('.classes li').length === n, n);
  await number(50);
  await page.getByRole('button', { name: 'Show more' }).click();
  await number(100);
  seen.scopes = await rows.locator('strong').allInnerTexts();
  await page.getByRole('radio', { name: 'Failed' }).check();
  await page.waitForFunction(() => document.getElementById('explanation').textContent.includes('“Failed”'));
  seen.states = await page.locator('#states').innerText();
  await page.getByRole('radio', { name: 'All' }).check();
  seen.foundAmongMany = await search(page, 'class-77777');
  await number(1);
  await page.context().close();
}

try {
  await Promise.all([onADesktop(), onAPhone(), withoutARight(), amongMany()]);
  console.log(JSON.stringify(seen));
} finally {
  await browser.close();
}
