// Says in words what the API answers. Nothing here touches the page. A sentence is a list of parts: texts, and times,
// which are {at: unix seconds}.

// The states by which the list is filtered, each with its parameters and its count in the API.
export const states = [
  { name: 'All', params: {} },
  { name: 'Needs attention', params: { needs_attention: true }, count: 'needs_attention' },
  { name: 'Being created', params: { status: 'creating' }, count: 'creating' },
  { name: 'Ready', params: { status: 'real-time' }, count: 'real-time' },
  { name: 'Failed', params: { status: 'failed' }, count: 'failed' },
  { name: 'Closed', params: { status: 'closed' } },
];

// The API counts up to this number.
export const countLimit = 1000;

// badges are the states of a class in a few words, each with its tone.
export function badges(m) {
  const all = [{
    creating: ['Being created', 'waits'], 'real-time': ['Ready', 'good'], failed: ['Failed', 'bad'],
    closed: ['Closed', 'over'],
  }[m.status] ?? [m.status, 'over']];
  if (m.update?.state === 'running') all.push(['Being changed', 'waits']);
  if (m.update?.state === 'failed') all.push(['Last change failed', 'bad']);
  if (m.needs_attention) all.push(['Needs attention', 'bad']);
  return all;
}

const uuid = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/i;

// idIn returns the id in a text, such as a link to this page.
export const idIn = (text) => text.match(uuid)?.[0].toLowerCase();

// questions are what a search asks the API, each with what it finds. A question with an id reads one class.
export function questions(text) {
  if (!text) return [{ finds: 'all classes, the latest first', params: {} }];
  const id = idIn(text);
  if (id) {
    return [
      { finds: 'the class with this id', id },
      { finds: 'classes that have or had the room with this id', params: { room_id: id } },
      { finds: 'classes that the request with this id asked for', params: { request_id: id } },
    ];
  }
  const all = [
    { finds: `classes whose scope begins with “${text}”`, params: { scope_prefix: text } },
    { finds: `classes of the host “${text}”`, params: { host: text } },
  ];
  const mayBeRequest = /^[!-~]{8,128}$/.test(text);
  return mayBeRequest
    ? [...all, { finds: `classes that the request “${text}” asked for`, params: { request_id: text } }] : all;
}

// What the steps do, after "to".
const steps = {
  begin_create: 'begin', create_event_room: 'create the event room', lock_room: 'lock the event room',
  create_conference_room: 'create the conference room', reserve_slots: 'reserve its slots on a gateway',
  establish: 'make it ready', patch_conference_room: 'change the conference room',
  close_room_if_present: 'close a room', copy_host: 'set the host of the new conference room',
};

const services = { janus: 'a gateway (janus)', database: 'the database or this service' };

const since = (wait) => (wait.since ? [' since ', { at: wait.since }] : []);

// waitSentence says what an operation waits for, and what happens next.
function waitSentence(w, now) {
  const what = w.step ? `, to ${steps[w.step] ?? w.step.replaceAll('_', ' ')}` : '';
  const failed = w.attempts === 1 ? 'one failed attempt' : `${w.attempts} failed attempts`;
  if (w.for === 'sweeper') {
    return ['Waiting for the sweeper', ...since(w), `: the run of this operation is gone (${w.state}). `
      + 'The sweeper continues within two minutes.'];
  }
  if (w.for === 'worker' && !w.step) {
    return w.state === 'started' ? ['A worker is making the first attempt', ...since(w), '.']
      : ['Waiting for a worker', ...since(w), '. If this lasts longer than a minute, tell the operators: '
        + '“No worker is up” in the runbook.'];
  }
  let next = [`An attempt is in progress, after ${failed}. `];
  if (w.state.startsWith('pause')) next = [`An operator has paused it after ${failed}. `];
  else if (w.next_try && w.next_try <= now) next = [`The next try is due, after ${failed}. `];
  else if (w.next_try) next = ['Next try about ', { at: w.next_try }, `, after ${failed}. `];
  const service = services[w.for] ?? (w.for === 'worker' ? 'the first answer' : w.for);
  const answer = w.last_answer ? [`Last answer: ${w.last_answer}.`] : [];
  return [`Waiting for ${service}`, ...since(w), what, '. ', ...next, ...answer];
}

const ended = {
  update: 'a change ended it', room_closed: 'conference has closed its room', time_passed: 'its time has passed',
};

// sentences says how a class is, from the class, its latest history and what it waits for.
export function sentences(m, { entries = [], waiting, waiting_unknown: unknown } = {}, now = Date.now() / 1000) {
  const latest = (...kinds) => entries.find((e) => kinds.includes(e.kind));
  const begun = latest('create_requested', 'create_retried', 'undo_begun', 'create_done', 'create_failed');
  const waits = (waiting ?? []).map((w) => waitSentence(w, now));
  if (unknown) waits.push([`What it waits for is unknown at present: ${unknown}.`]);
  const [start, end] = m.time;
  const all = [];
  if (m.status === 'failed') {
    all.push(['Failed at ', { at: m.failure.failed_at }, `: ${m.failure.detail}. Everything was undone. `
      + 'Nobody can enter; a retry creates it again.']);
  } else if (m.status === 'creating' && begun?.kind === 'undo_begun') {
    all.push(['Being undone since ', { at: begun.at }, `: ${begun.details.failure?.detail ?? 'it failed'}. `
      + 'It goes on until everything is closed.'], ...waits);
  } else if (m.status === 'creating') {
    all.push(...(waits.length ? waits : [['Being created since ', { at: begun?.at ?? m.created_at }, '.']]));
    if (waiting?.some((w) => w.step)) all.push(['Nobody can enter yet. It continues by itself as soon as that works.']);
  } else if (m.status === 'closed') {
    const last = latest('ended');
    const cause = m.timed_out ? 'conference has closed its room, because the host did not come back'
      : ended[last?.details.cause];
    const when = last?.at ?? end;
    all.push([...(when ? ['Closed at ', { at: when }] : ['Closed']), cause ? `: ${cause}.` : '.']);
  } else {
    const begins = start ? [start > now ? 'It begins at ' : 'It began at ', { at: start }] : ['It has no beginning'];
    const ends = end ? [' and ends at ', { at: end }, '.'] : [' and has no end.'];
    all.push(['Ready: both rooms exist. ', ...begins, ...ends]);
  }
  if (m.update?.state === 'running') {
    all.push([m.update.requested.recreate ? 'It is getting new rooms.' : 'A change is being made.'],
      ...(m.status === 'creating' ? [] : waits));
  }
  if (m.update?.state === 'failed') {
    all.push(['The last change failed at ', { at: m.update.failure.failed_at }, `: ${m.update.failure.detail}. `
      + 'The class is as it was before.']);
  }
  const cancelled = latest('cancel_requested', 'create_retried', 'create_done');
  if (cancelled?.kind === 'cancel_requested') {
    const reason = cancelled.by.reason ? `: “${cancelled.by.reason}”.` : '.';
    all.push(['Cancelled at ', { at: cancelled.at }, ` by ${who(cancelled.by)}${reason}`]);
  }
  return all;
}

// who names an account, an operator or the service.
export function who(by) {
  if (by.kind === 'account') return by.label ? `${by.label}.${by.audience}` : `an account of ${by.audience} (erased)`;
  return by.kind === 'operator' ? `operator ${by.operator}` : 'the service';
}

const happened = {
  create_requested: 'Create requested',
  create_retried: 'Create begun again',
  create_done: 'Ready',
  undo_begun: 'Undo begun',
  create_failed: 'Failed, and everything undone',
  cancel_requested: 'Cancel requested',
  recovered: 'Taken over by another run',
  ended: 'Closed',
  room_refused: 'A room was refused',
  room_unanswered: 'A request for a room got no answer',
  gateway_moved: 'Slots moved to another gateway',
  room_released: 'A room was given up by an operator',
  slots_released: 'Slots were released by an operator',
  event_discarded: 'An event was discarded by an operator',
  personal_data_erased: 'Personal data erased',
};
const operations = { update: 'Change', recreate: 'New rooms', repair: 'Repair' };
const outcomes = { requested: 'requested', done: 'done', failed: 'failed', force_failed: 'given up by an operator' };

// headline says in a few words what has happened.
export function headline(kind) {
  const [, operation, outcome] = kind.match(/^(update|recreate|repair)_(.*)$/) ?? [];
  if (operation) return `${operations[operation]} ${outcomes[outcome] ?? outcome}`;
  return happened[kind] ?? kind.replaceAll('_', ' ');
}

export const span = ([start, end]) => [
  ...(start ? [{ at: start }] : ['no beginning']), ' to ', ...(end ? [{ at: end }] : ['no end']),
];

function value(name, v) {
  if (name === 'time' && Array.isArray(v)) return span(v);
  if (name.endsWith('_at') && typeof v === 'number') return [{ at: v }];
  if (v === null || v === undefined) return ['none'];
  return [typeof v === 'object' ? JSON.stringify(v) : String(v)];
}

// details says what belongs to an entry of the history: changes as old and new values, all else by its name.
export function details({ old, new: changed, failure, ...rest }) {
  const all = failure ? [[failure.detail]] : [];
  for (const [name, v] of Object.entries(changed ?? {})) {
    if (JSON.stringify(v) !== JSON.stringify(old?.[name])) {
      all.push([`${name}: `, ...value(name, old?.[name]), ' → ', ...value(name, v)]);
    }
  }
  for (const [name, v] of Object.entries(rest)) all.push([`${name.replaceAll('_', ' ')}: `, ...value(name, v)]);
  return all;
}

const withoutZeroSeconds = (clock) => clock.replace(/^(\d\d:\d\d):00$/, '$1');

// local is a time in the viewer's zone: without the date if it is today.
export function local(at) {
  const t = new Date(at * 1000);
  const day = t.toLocaleDateString('en-GB', { day: 'numeric', month: 'short', year: 'numeric' });
  const time = withoutZeroSeconds(t.toLocaleTimeString('en-GB', { hourCycle: 'h23' }));
  return t.toDateString() === new Date().toDateString() ? time : `${day}, ${time}`;
}

// utc is a time in UTC: without the date if that is the one in the viewer's zone.
export function utc(at) {
  const t = new Date(at * 1000);
  const [day, time] = [t.toISOString().slice(0, 10), withoutZeroSeconds(t.toISOString().slice(11, 19))];
  return `${t.getUTCDate() === t.getDate() ? '' : `${day} `}${time} UTC`;
}

// plain is a sentence as a text, with its times in UTC.
const iso = (at) => `${new Date(at * 1000).toISOString().slice(0, 19)}Z`;
export const plain = (parts) => parts.map((p) => (typeof p === 'object' ? iso(p.at) : p)).join('');

// report is a text about a class for the people of another service: ids, times, the last answer.
export function report(m, page, link) {
  const asked = page.entries?.find((e) => e.by.request_id);
  const made = page.entries?.find((e) => e.details.conference_room_id);
  const rooms = m.real_time ?? made?.details;
  const run = page.entries?.find((e) => e.run_id);
  const lines = [
    ['Class', `${m.scope} of ${m.audience}`], ['Class id', m.class_id], ['Host', m.host], ['Time', plain(span(m.time))],
    ['Conference room', rooms?.conference_room_id], ['Event room', rooms?.event_room_id],
    ['State', sentences(m, page).map(plain).join(' ')],
    ['Request id', asked && `${asked.by.request_id} (${headline(asked.kind)}, ${plain([{ at: asked.at }])})`],
    ['Trace id', asked?.by.trace_id], ['Run', run?.run_id], ['Page', link],
  ];
  return lines.filter(([, text]) => text).map(([name, text]) => `${name}: ${text}`).join('\n');
}

// problem says what a failed request means and what to do. A status of 0 is a request without an answer.
export function problem(status, { type, detail = '', request_id: id } = {}, account = 'Your account') {
  const operators = id ? ` If it stays so, tell the operators the request id ${id}.` : '';
  switch (true) {
    case status === 0:
      return 'The service does not answer. Check your connection, then try again.';
    case status === 401:
      return 'Your token is not accepted: it has expired, or it is not for this service. Get a new one and sign in '
        + 'again.';
    case status === 403:
      return `${account} has no right to do this (${detail}). Ask the administrators of this audience for the right, `
        + 'or sign in with another account.';
    case type === 'class_not_found':
      return 'There is no class with this id, or your account may not see it. Check the id, or search for the scope.';
    case type === 'authorization_failed':
      return 'Your rights could not be checked: the service that knows them does not answer. '
        + `Try again in a minute.${operators}`;
    case status === 429:
      return 'These are too many requests at a time. Try again in a minute.';
    case status >= 500:
      return `The service cannot do this at present: ${detail}. Try again in a minute.${operators}`;
    default:
      return `This is not possible: ${detail}.`;
  }
}
