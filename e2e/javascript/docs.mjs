// Creates a minigroup on the page /docs: enters the token, opens the operation, executes it. Prints what the page
// showed, the hosts that it contacted, and the errors that the browser reported (such as a violated
// Content-Security-Policy).
import { readFileSync } from 'node:fs';
import { chromium } from 'playwright-core';

const { browser: executablePath, url, token, body } = JSON.parse(readFileSync(0));
const browser = await chromium.launch({ executablePath });
try {
  const page = await browser.newPage();
  page.setDefaultTimeout(30_000);
  const hosts = new Set();
  const complaints = [];
  page.on('request', (request) => {
    if (!request.url().startsWith('data:')) hosts.add(new URL(request.url()).host);
  });
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));

  await page.goto(`${url}/docs`);
  await page.getByRole('button', { name: 'Authorize' }).first().click();
  const dialog = page.locator('.dialog-ux');
  await dialog.getByLabel('auth-bearer-value').fill(token);
  await dialog.getByRole('button', { name: 'Apply credentials' }).first().click();
  await dialog.getByRole('button', { name: 'Close' }).last().click();

  const operation = page.locator('#operations-minigroups-createMinigroup');
  await operation.locator('.opblock-summary-control').click();
  await operation.getByRole('button', { name: 'Try it out' }).click();
  await operation.locator('textarea').fill(body);
  await operation.getByRole('button', { name: 'Execute' }).click();
  const response = operation.locator('.live-responses-table .response');
  const status = await response.locator('.response-col_status').innerText();
  const shown = await response.locator('.response-col_description').innerText();
  console.log(JSON.stringify({ status, shown, hosts: [...hosts], complaints }));
} finally {
  await browser.close();
}
