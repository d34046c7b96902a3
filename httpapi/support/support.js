// The page for support: finds classes, says how one is, retries and cancels. words.js has the words.
//
// All text reaches the page through element(), as text and never as HTML, because scopes, tags, hosts and failures
// come from users and other services. The token is kept in a variable: it ends with the tab, and nothing writes it to
// a disk.
import {
  badges, countLimit, details, headline, idIn, local, plain, problem, questions, report, sentences, span, states, utc,
  who,
} from './words.js';

const $ = (id) => document.getElementById(id);

// element makes an element with properties, attributes (names with a dash) and children.
function element(tag, properties, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (name.includes('-')) e.setAttribute(name, value);
    else e[name] = value;
  }
  e.append(...children);
  return e;
}

// The parts of a sentence as nodes: times in the viewer's zone, with UTC beside unless that is the same.
const nodes = (parts) => parts.map((p) => {
  if (typeof p !== 'object') return p;
  const [here, there] = [local(p.at), utc(p.at)];
  const isUTC = new Date(p.at * 1000).getTimezoneOffset() === 0;
  return element('time', { dateTime: new Date(p.at * 1000).toISOString() },
    ...(isUTC ? [`${here} UTC`] : [`${here} `, element('span', { className: 'utc' }, `(${there})`)]));
});

function showProblem(id, text) {
  $(id).hidden = !text;
  $(id).textContent = text ?? '';
}

// ── The session ──────────────────────────────────────────────────────────────────────────────────────────────────────

let session; // the token, its account, and when it expires in unix seconds

// claimsOf reads a token without verifying it, which is up to the API.
function claimsOf(token) {
  try {
    const text = atob(token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/'));
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(text, (c) => c.charCodeAt(0))));
  } catch {
    return null;
  }
}

function signIn(token) {
  const claims = claimsOf(token);
  if (!claims?.sub) {
    showProblem('sign-in-problem', 'This is not a token: it has three parts with dots between them. Copy all of it.');
    return;
  }
  const audience = String([claims.aud].flat()[0] ?? '').split(':')[0];
  session = { token, account: `${claims.sub}.${audience}`, expires: claims.exp };
  showProblem('sign-in-problem');
  $('token').value = '';
  $('audience').value ||= audience;
  $('who').replaceChildren(session.account, ...nodes(session.expires ? [' until ', { at: session.expires }] : []));
  setView();
  $('query').focus();
  search();
}

// signOut forgets the token and everything that it made visible.
function signOut(why) {
  session = undefined;
  $('found').replaceChildren();
  $('class').replaceChildren();
  shown = undefined;
  $('ask').close();
  $('copy').close();
  $('copy-text').value = '';
  $('explanation').textContent = '';
  showProblem('sign-in-problem', why);
  setView();
  $('token').focus();
}

// call sends a request to the API and returns its answer. It throws a Problem in words for people.
class Problem extends Error {}

async function call(path, { method = 'GET', body, prefer } = {}) {
  const used = session;
  const headers = { Authorization: `Bearer ${used.token}` };
  if (body) headers['Content-Type'] = 'application/json';
  if (prefer) headers.Prefer = prefer;
  let response;
  let answer;
  try {
    response = await fetch(`api/v1/${path}`, {
      method, headers, body: body && JSON.stringify(body), signal: AbortSignal.timeout(75_000),
    });
    answer = await response.json();
  } catch {
    if (!response || response.ok) throw new Problem(problem(0));
  }
  if (response.ok) return answer;
  const text = problem(response.status, answer, used.account);
  if (response.status === 401 && used === session) signOut(text);
  throw new Problem(text);
}

// ── The list ─────────────────────────────────────────────────────────────────────────────────────────────────────────

let searches = 0; // numbers the searches, so that an answer to an earlier one is dropped

async function search({ opens = false } = {}) {
  const number = ++searches;
  const isOver = () => number !== searches || !session;
  const text = $('query').value.trim();
  const state = states[Number(new FormData($('search')).get('state') ?? 0)];
  const asked = questions(text);
  $('explanation').textContent = 'Searching…';
  const groups = await Promise.all(asked.map((q, i) => readGroup(q, state.params, i === asked.length - 1)));
  if (isOver()) return;
  const found = groups.filter((g) => g.rows.length || g.next);
  const problems = [...new Set(groups.map((g) => g.problem).filter(Boolean))];
  const only = state.count || state.params.status ? `, only those in the state “${state.name}”` : '';
  const rows = found.reduce((n, g) => n + g.rows.length, 0);
  let result = `${rows === 1 ? 'One class' : `${rows} classes`} shown.`;
  if (!rows) result = 'Nothing found. Check the spelling and the audience.';
  if (problems.length && !rows) result = '';
  $('explanation').textContent = `Searched for ${asked.map((q) => q.finds).join('; ')}${only}. ${result}`;
  $('found').replaceChildren(...(found.length ? found.map((g) => groupSection(g, found.length > 1, isOver))
    : problems.map((p) => element('p', { className: 'problem', role: 'alert' }, p))));
  const counts = groups.find((g) => g.counts)?.counts;
  if (counts) showCounts(counts);
  markChosen();
  if (opens && idIn(text) && rows === 1) location.hash = found[0].rows[0].class_id;
}

// readGroup reads the first page of what answers a question. A page may be empty although others follow.
async function readGroup(question, params, counts) {
  const group = { ...question, rows: [] };
  try {
    if (question.id) {
      group.rows = [await call(`minigroups/${question.id}`)];
      return group;
    }
    group.params = { ...params, ...question.params };
    Object.assign(group, await readPage(group, counts));
    for (let pages = 1; !group.rows.length && group.next && pages < 5; pages += 1) {
      Object.assign(group, await readPage(group));
    }
  } catch (e) {
    if (!(e instanceof Problem)) throw e;
    group.problem = e.message;
  }
  return group;
}

async function readPage({ params, next }, counts) {
  const query = new URLSearchParams(params);
  if (next) query.set('cursor', next);
  if (counts) query.set('counts', true);
  const page = await call(`audiences/${encodeURIComponent($('audience').value.trim())}/minigroups?${query}`);
  return { rows: page.minigroups, next: page.next, ...(page.counts && { counts: page.counts }) };
}

function groupSection(group, isTitled, isOver) {
  const list = element('ul', { className: 'classes' }, ...group.rows.map(classItem));
  const section = element('section', {}, list);
  if (isTitled) section.prepend(element('h3', {}, group.finds[0].toUpperCase() + group.finds.slice(1)));
  if (!group.next) return section;
  const more = element('button', { type: 'button' }, group.rows.length ? 'Show more' : 'Search further');
  more.addEventListener('click', async () => {
    more.disabled = true;
    const page = await readPage(group).catch((e) => ({ rows: [], next: group.next, problem: e.message }));
    if (isOver()) return;
    const items = page.rows.map(classItem);
    list.append(...items);
    group.next = page.next;
    more.disabled = false;
    if (items.length) items[0].firstChild.focus();
    $('explanation').textContent = page.problem ?? `${list.children.length} classes shown.`;
    if (!page.next) more.remove();
    markChosen();
  });
  section.append(more);
  return section;
}

const badgeList = (m) => badges(m).map(([text, tone]) => element('span', { className: `badge ${tone}` }, text));

const classItem = (m) => element('li', {}, element('a', { href: `#${m.class_id}` },
  element('strong', {}, m.scope), ' ', ...badgeList(m),
  element('span', { className: 'about' }, m.host || '(no host)', ' · ', ...nodes(span(m.time)))));

function showCounts(counts) {
  states.forEach((s, i) => {
    const n = counts[s.count];
    if (s.count) $(`count-${i}`).textContent = n >= countLimit ? ` ${countLimit} or more` : ` ${n}`;
  });
}

function markChosen() {
  for (const a of $('found').querySelectorAll('a')) {
    if (a.hash === location.hash) a.setAttribute('aria-current', 'true');
    else a.removeAttribute('aria-current');
  }
}

// ── A class ──────────────────────────────────────────────────────────────────────────────────────────────────────────

let shown; // the class that is shown: its object, the pages of its history, and both as text
let timer;
const refreshAfter = 5_000;

// showClass reads the class that the address names. A quiet refresh changes nothing unless the class has changed.
async function showClass({ quiet = false } = {}) {
  clearTimeout(timer);
  const id = idIn(location.hash);
  if (!session || !id) return;
  if (!quiet) $('class').replaceChildren(element('p', { className: 'hint' }, 'Reading the class…'));
  let next;
  try {
    const m = await call(`minigroups/${id}`);
    const page = await call(`minigroups/${id}/history`).catch((e) => ({ problem: e.message }));
    next = { m, page, text: JSON.stringify([m, page]) };
  } catch (e) {
    if (!(e instanceof Problem)) throw e;
    next = { problem: e.message, text: e.message };
  }
  if (!session || idIn(location.hash) !== id) return;
  const isOpen = next.problem || next.m.status === 'creating' || next.m.update?.state === 'running';
  if (isOpen) timer = setTimeout(() => showClass({ quiet: true }), refreshAfter);
  if (quiet && shown?.text === next.text) return;
  const focused = $('class').contains(document.activeElement) ? document.activeElement.id : '';
  shown = next;
  $('class').replaceChildren(element('p', { className: 'back' }, element('a', { href: '#' }, 'Back to the list')),
    ...(next.problem ? [element('h2', { id: 'class-title', tabIndex: -1 }, 'A class'),
      element('p', { className: 'problem', role: 'alert' }, next.problem)] : classView(next)));
  if (!quiet) $('class-title').focus();
  else if (focused) $(focused)?.focus();
  if (quiet && next.m) $('news').textContent = sentences(next.m, next.page).map(plain).join(' ');
}

function classView({ m, page }) {
  const button = (id, text, act) => {
    const b = element('button', { type: 'button', id }, text);
    b.addEventListener('click', act);
    return b;
  };
  const isOpen = m.status === 'creating' || m.update?.state === 'running';
  const team = page.waiting?.find((w) => w.last_answer)?.for ?? m.failure?.upstream?.name ?? 'conference';
  const facts = [
    ['Class id', m.class_id], ['Audience', m.audience], ['Host', m.host || 'none'], ['Time', ...nodes(span(m.time))],
    ['Slots', String(m.reserve ?? 'none')], ['Created', ...nodes([{ at: m.created_at }])],
    ['Event room', m.real_time?.event_room_id], ['Conference room', m.real_time?.conference_room_id],
    ['Tags', m.tags === undefined ? undefined : JSON.stringify(m.tags)],
  ].filter(([, first]) => first !== undefined);
  return [
    element('h2', { id: 'class-title', tabIndex: -1 }, m.scope),
    element('p', { className: 'badges' }, ...badgeList(m)),
    element('div', { className: `how ${badges(m).at(-1)[1]}`, id: 'how' },
      ...sentences(m, page).map((parts) => element('p', {}, ...nodes(parts)))),
    element('p', { className: 'buttons' },
      ...(m.status === 'failed' ? [button('retry', 'Retry…', () => ask('retry'))] : []),
      ...(isOpen ? [button('cancel', 'Cancel…', () => ask('cancel'))] : []),
      button('copy-report', `Copy for the ${team} team`, () => copy(report(m, page, location.href))),
      button('copy-link', 'Copy link', () => copy(location.href)),
      button('refresh', 'Refresh', () => showClass())),
    element('p', { id: 'copied', className: 'hint', role: 'status' }),
    element('h3', {}, 'What has happened'),
    ...(page.problem ? [element('p', { className: 'problem' }, page.problem)] : [timeline(m, page)]),
    element('h3', {}, 'The class'),
    element('dl', {}, ...facts.flatMap(([name, ...what]) => [element('dt', {}, name), element('dd', {}, ...what)])),
  ];
}

function timeline(m, page) {
  const list = element('ol', { className: 'timeline' }, ...page.entries.map(entryItem));
  const box = element('div', {}, list);
  if (!page.entries.length) box.append(element('p', { className: 'hint' }, 'Its history is older than what is kept.'));
  if (!page.next) return box;
  let { next } = page;
  const earlier = element('button', { type: 'button' }, 'Show earlier');
  earlier.addEventListener('click', async () => {
    const more = await call(`minigroups/${m.class_id}/history?cursor=${encodeURIComponent(next)}`).catch(() => null);
    if (!more) return;
    list.append(...more.entries.map(entryItem));
    next = more.next;
    if (!next) earlier.remove();
  });
  box.append(earlier);
  return box;
}

function entryItem(e) {
  const link = (href, text) => element('a', { href, target: '_blank', rel: 'noopener noreferrer' }, text);
  const about = details(e.details).map((parts) => element('li', {}, ...nodes(parts)));
  const extra = [
    ...(e.by.request_id ? [`Request ${e.by.request_id}`] : []),
    ...(e.links?.run ? [link(e.links.run, 'Run in Temporal')] : []),
    ...(e.links?.trace ? [link(e.links.trace, 'Trace')] : []),
  ];
  return element('li', {},
    element('p', {}, ...nodes([{ at: e.at }]), ' ', element('strong', {}, headline(e.kind)), ` by ${who(e.by)}`),
    ...(e.by.reason ? [element('blockquote', {}, e.by.reason)] : []),
    ...(about.length ? [element('ul', {}, ...about)] : []),
    element('p', { className: 'extra' }, ...extra.flatMap((x, i) => (i ? [' · ', x] : [x]))));
}

// ── Retry, cancel, copy ──────────────────────────────────────────────────────────────────────────────────────────────

const actions = {
  retry: {
    title: 'Retry', yes: 'Retry', prefer: 'respond-async', meaning: 'Creates the class again, as it was requested.',
  },
  cancel: {
    title: 'Cancel', yes: 'Cancel it', prefer: 'wait=10',
    meaning: 'A class that is being created is undone and becomes failed. A change ends with nothing changed, unless '
      + 'it is made already.',
  },
};
let action; // what the dialog asks for, and of which class

function ask(name) {
  action = { ...actions[name], name, m: shown.m };
  $('ask-title').textContent = `${action.title}: ${action.m.scope}`;
  $('ask-meaning').textContent = action.meaning;
  $('ask-yes').textContent = action.yes;
  $('reason').value = '';
  showProblem('ask-problem');
  $('ask').showModal();
}

async function act(event) {
  if (event.submitter?.value === 'no') return; // the form closes its dialog
  event.preventDefault();
  $('ask-yes').disabled = true;
  showProblem('ask-problem');
  try {
    const body = { reason: $('reason').value.trim() };
    await call(`minigroups/${action.m.class_id}/${action.name}`, { method: 'POST', body, prefer: action.prefer });
    $('ask').close();
    await showClass();
    search();
  } catch (e) {
    if (!(e instanceof Problem)) throw e;
    showProblem('ask-problem', e.message);
  } finally {
    $('ask-yes').disabled = false;
  }
}

// copy puts a text into the clipboard or, where the browser does not allow that, shows it.
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    $('copied').textContent = 'Copied.';
  } catch {
    $('copy-text').value = text;
    $('copy').showModal();
    $('copy-text').select();
  }
}

// ── The page ─────────────────────────────────────────────────────────────────────────────────────────────────────────

// setView shows what belongs to the session and the address.
function setView() {
  const id = session && idIn(location.hash);
  $('sign-in').hidden = Boolean(session);
  $('work').hidden = $('session').hidden = !session;
  $('class').hidden = !id;
  document.body.classList.toggle('has-class', Boolean(id));
  clearTimeout(timer);
  markChosen();
  if (id) showClass();
}

$('states').append(...states.map((s, i) => element('label', {},
  element('input', { type: 'radio', name: 'state', value: i, checked: i === 0 }), element('span', {}, s.name,
    ...(s.count ? [element('span', { id: `count-${i}`, className: 'count' })] : [])))));
$('states').addEventListener('change', () => search());
$('search').addEventListener('submit', (event) => { event.preventDefault(); search({ opens: true }); });
$('sign-in-form').addEventListener('submit', (event) => { event.preventDefault(); signIn($('token').value.trim()); });
$('sign-out').addEventListener('click', () => signOut());
$('ask-form').addEventListener('submit', act);
addEventListener('hashchange', setView);
setView();
$('token').focus();
