// Looks into the Temporal UI as support does: opens a view, whose link saves it, and what one of its runs tells of itself.
// Prints the rows of the view, the views that are saved, and the words of the run. Where a folder is given, pictures are put there.
import { readFileSync } from 'node:fs';
import { chromium } from 'playwright-core';

const { browser: executablePath, links, namespace, run, columns, folder } = JSON.parse(readFileSync(0));
const browser = await chromium.launch({ executablePath });
try {
  const page = await browser.newPage({ viewport: { width: 1400, height: 760 }, timezoneId: 'UTC' });
  page.setDefaultTimeout(30_000);
  const picture = async (name) => {
    if (folder) await page.screenshot({ path: `${folder}/${name}.png` });
  };
  await page.addInitScript(([namespace, columns]) => {
    const chosen = { [namespace]: columns.map((label) => ({ label })) };
    localStorage.setItem('namespace-workflow-table-columns', JSON.stringify(chosen));
  }, [namespace, columns]);

  for (const link of links) {
    await page.goto(link);
    await page.waitForURL((url) => !url.searchParams.has('savedQuery'));
  }
  const title = page.getByRole('link', { name: run, exact: true });
  await title.waitFor();
  const rows = await page.locator('tbody tr').allInnerTexts();
  const saved = await page.evaluate((namespace) => JSON.parse(localStorage.getItem('saved-workflow-queries'))[namespace], namespace);
  await picture('needs-attention');

  await title.click();
  await page.getByText('User Metadata', { exact: true }).click();
  // Markdown is shown in frames of their own.
  const words = () => Promise.all(page.frames().slice(1).map((frame) => frame.locator('body').innerText()));
  await page.waitForFunction(() => document.querySelectorAll('iframe').length >= 3);
  let told = await words();
  for (const end = Date.now() + 30_000; !told.some((text) => text.includes('It waits for')) && Date.now() < end; told = await words()) {
    await page.waitForTimeout(100);
  }
  await picture('stuck-run');
  console.log(JSON.stringify({ rows, saved, told: told.join('\n') }));
} finally {
  await browser.close();
}
