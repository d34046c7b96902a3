// Uses the Temporal UI as support does: opens the link of a view, which also saves the view, and then one of its runs.
// Prints the rows of the view, the saved views, and the details of the run. With a folder, it writes screenshots there.
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
  const saved = await page.evaluate(
    (namespace) => JSON.parse(localStorage.getItem('saved-workflow-queries'))[namespace],
    namespace,
  );
  await picture('needs-attention');

  await title.click();
  await page.getByText('User Metadata', { exact: true }).click();
  // The UI shows each Markdown text in a frame of its own, and replaces the frame when the text changes.
  const textOf = (frame) => frame.locator('body').innerText().catch(() => '');
  const details = () => Promise.all(page.frames().slice(1).map(textOf));
  await page.waitForFunction(() => document.querySelectorAll('iframe').length >= 3);
  let texts = await details();
  const isComplete = () => texts.some((text) => text.includes('It waits for'));
  for (const end = Date.now() + 30_000; !isComplete() && Date.now() < end; texts = await details()) {
    await page.waitForTimeout(100);
  }
  await picture('stuck-run');
  console.log(JSON.stringify({ rows, saved, text: texts.join('\n') }));
} finally {
  await browser.close();
}
