// Uses the types that are generated from openapi.yaml, with openapi-fetch, which sends requests with fetch. The
// compiler checks it; nothing runs it.
import createClient from 'openapi-fetch';
import type { components, paths } from './minigroups/openapi.js';

type Minigroup = components['schemas']['Minigroup'];
type Problem = components['schemas']['Problem'];

/** Creates a class and waits for its rooms. */
export async function create(
  baseUrl: string, token: string, body: components['schemas']['NewMinigroup'],
): Promise<Minigroup> {
  const client = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${token}` } });
  for (;;) {
    const params = { header: { Prefer: 'wait=30' } };
    const { data, error, response } = await client.POST('/api/v1/minigroups', { params, body });
    if (error) throw new Error(explain(error));
    if (response.status !== 202) return data;
  }
}

/** Yields the classes of an audience that are ready, page by page. */
export async function* ready(baseUrl: string, token: string, audience: string): AsyncGenerator<Minigroup> {
  const client = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${token}` } });
  let cursor: string | undefined;
  do {
    const { data, error } = await client.GET('/api/v1/audiences/{audience}/minigroups', {
      params: { path: { audience }, query: { status: 'real-time', cursor } },
    });
    if (error) throw new Error(explain(error));
    yield* data.minigroups;
    cursor = data.next;
  } while (cursor);
}

function explain(problem: Problem): string {
  switch (problem.type) {
    case 'class_already_established':
      return 'another class has this scope';
    case 'invalid_payload':
      return (problem.errors ?? []).map(({ field, detail }) => `${field} ${detail}`).join('; ');
    default:
      return `${problem.title} (request ${problem.request_id})`;
  }
}
