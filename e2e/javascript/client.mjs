// Reads and updates a minigroup with the platform's JavaScript client, as the frontends do. Prints what the client
// returned and what it threw.
import { readFileSync } from 'node:fs';
import dispatcher from '@ulms/api-clients/lib/dispatcher.js';
import http from '@ulms/api-clients/lib/http-client.js';

const { url, token, audience, scope, time } = JSON.parse(readFileSync(0));
const client = new dispatcher.default(`${url}/api/v1`, new http.default(), { getToken: async () => token });
client.setLabels({ app_audience: audience, app_label: 'webinar', app_version: 'v1.0', scope });

const { MINIGROUP } = dispatcher.default.kind;
const thrown = (call) => call.then(
  (result) => { throw new Error(`no error, but ${JSON.stringify(result)}`); },
  (error) => error,
);
const [classKey, accountKey] = [dispatcher.default.classKeys.IS_ADULT, dispatcher.default.accountKeys.ONBOARDING];
const { class_id: id } = await client.readScope(MINIGROUP, audience, scope);
const noProperty = await thrown(client.readClassProperty(MINIGROUP, id, classKey));
await client.updateClassProperty(MINIGROUP, id, classKey, true);
await client.updateAccountProperty(accountKey, { seen: [scope] });

console.log(JSON.stringify({
  read: await client.readScope(MINIGROUP, audience, scope),
  missing: await thrown(client.readScope(MINIGROUP, audience, `no ${scope}`)),
  refused: await thrown(client.updateScope(MINIGROUP, audience, scope, { time: 'tomorrow' })),
  updated: await client.updateScope(MINIGROUP, audience, scope, { time }),
  reread: await client.readScope(MINIGROUP, audience, scope, { class_keys: [classKey], account_keys: [accountKey] }),
  noProperty,
  classProperty: await client.readClassProperty(MINIGROUP, id, classKey),
  accountProperty: await client.readAccountProperty(accountKey),
}));
