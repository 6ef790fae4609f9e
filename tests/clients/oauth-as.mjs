// A real authorization server (npm oidc-provider 9, Node >= 22.12) for tests of `--auth oauth`: RFC 8414 and OIDC discovery,
// DCR, PKCE, RFC 8707 resource indicators, at+jwt tokens, introspection. Nobody has to click: the interactions answer themselves.
//   node oauth-as.mjs [PORT] [RESOURCE]            serve; prints one JSON line {issuer, resource, ...}
//   node oauth-as.mjs PORT RESOURCE --token [SCOPE] also registers a client, walks code + PKCE, prints {access_token, ...}
// Environment: AS_FORMAT=opaque (introspection instead of JWT), AS_ALG=RS256|PS256|ES256|EdDSA, AS_TTL=600 (seconds),
// AS_GRANT="verifa:read" (what "the user" consents to: fewer scopes than asked for), AS_USER=jane, AS_AUDIENCE=... (a wrong one),
// AS_KID=at-1 (the key's ID: every start makes new keys).
import { createServer } from 'node:http';
import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto';
import { Provider } from 'oidc-provider';

const [port = '0', wanted = 'http://127.0.0.1:8787/mcp', mode, asked = 'verifa:read verifa:resume verifa:links'] = process.argv.slice(2);
const { AS_FORMAT = 'jwt', AS_ALG = 'RS256', AS_TTL = '600', AS_GRANT, AS_USER = 'jane', AS_AUDIENCE, AS_KID = 'at-1' } = process.env;
const SCOPES = 'verifa:read verifa:resume verifa:links';

const server = createServer();
await new Promise((resolve) => server.listen(Number(port), '127.0.0.1', resolve));
const issuer = `http://127.0.0.1:${server.address().port}`;

const key = (alg, kid) => {
  const [type, options] = alg === 'EdDSA' ? ['ed25519'] : alg === 'ES256' ? ['ec', { namedCurve: 'P-256' }] : ['rsa', { modulusLength: 2048 }];
  return { ...generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' }), kid, alg, use: 'sig' };
};

const provider = new Provider(issuer, {
  clients: [{ client_id: 'rs', client_secret: 'rs-secret', redirect_uris: [], response_types: [], grant_types: [] }], // introspects
  jwks: { keys: [key(AS_ALG, AS_KID), ...(AS_ALG === 'RS256' ? [] : [key('RS256', 'id-1')])] },
  cookies: { keys: [randomBytes(16).toString('hex')] },
  scopes: ['openid', 'offline_access', ...SCOPES.split(' ')], // DCR refuses a `scope` that is not listed here
  ttl: { AccessToken: Number(AS_TTL), Grant: 3600, Session: 3600, Interaction: 600, IdToken: 600, RefreshToken: 3600 },
  clientBasedCORS: () => true,
  pkce: { required: () => true },
  issueRefreshToken: (_ctx, client) => client.grantTypeAllowed('refresh_token'),
  findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
  renderError: (ctx, out, error) => { ctx.type = 'json'; ctx.body = { ...out, detail: error.error_detail }; },
  features: {
    devInteractions: { enabled: false },
    registration: { enabled: true },
    introspection: { enabled: true, allowedPolicy: (_ctx, client) => client.clientId === 'rs' },
    revocation: { enabled: true, allowedPolicy: () => true },
    resourceIndicators: {
      enabled: true,
      defaultResource: (_ctx, _client, oneOf) => oneOf ?? wanted, // clients that forget `resource` get the usual one
      useGrantedResource: () => true,
      getResourceServerInfo: (_ctx, resource) => ({
        scope: SCOPES, audience: AS_AUDIENCE ?? resource, accessTokenTTL: Number(AS_TTL), accessTokenFormat: AS_FORMAT,
        ...(AS_FORMAT === 'jwt' ? { jwt: { sign: { alg: AS_ALG } } } : {}),
      }),
    },
  },
});

async function interact(req, res) {
  const { prompt, params, session, grantId } = await provider.interactionDetails(req, res);
  if (prompt.name === 'login') return provider.interactionFinished(req, res, { login: { accountId: AS_USER } });
  const grant = grantId ? await provider.Grant.find(grantId) : new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  const consented = (AS_GRANT ?? SCOPES).split(' ');
  if (prompt.details.missingOIDCScope) grant.addOIDCScope(prompt.details.missingOIDCScope.join(' '));
  for (const [resource, scopes] of Object.entries(prompt.details.missingResourceScopes ?? {})) {
    const [yes, no] = [scopes.filter((it) => consented.includes(it)), scopes.filter((it) => !consented.includes(it))];
    if (yes.length) grant.addResourceScope(resource, yes.join(' '));
    if (no.length) grant.rejectResourceScope(resource, no.join(' '));
  }
  return provider.interactionFinished(req, res, { consent: { grantId: await grant.save() } }, { mergeWithLastSubmission: true });
}
const callback = provider.callback();
server.on('request', (req, res) => (req.url.startsWith('/interaction/') ? interact(req, res).catch((e) => res.writeHead(500).end(String(e))) : callback(req, res)));
console.log(JSON.stringify({ issuer, resource: wanted, jwks_uri: `${issuer}/jwks`, introspection: ['rs', 'rs-secret'] }));

/** What an MCP client does, with a browser that says yes to everything: follows redirects and keeps cookies. */
async function token() {
  const json = async (url, init) => (await fetch(url, init)).json();
  const as = await json(`${issuer}/.well-known/oauth-authorization-server`);
  const redirect_uri = 'http://127.0.0.1:9/callback';
  const client = await json(as.registration_endpoint, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ application_type: 'native', redirect_uris: [redirect_uri], token_endpoint_auth_method: 'none', grant_types: ['authorization_code', 'refresh_token'], scope: `${asked} offline_access` }) });
  const verifier = randomBytes(32).toString('base64url');
  const query = { client_id: client.client_id, response_type: 'code', redirect_uri, scope: asked, resource: wanted, state: 's', code_challenge: createHash('sha256').update(verifier).digest('base64url'), code_challenge_method: 'S256' };
  let [url, cookies] = [`${as.authorization_endpoint}?${new URLSearchParams(query)}`, new Map()];
  while (!url.startsWith(redirect_uri)) {
    const answer = await fetch(url, { redirect: 'manual', headers: { cookie: [...cookies].map((it) => it.join('=')).join('; ') } });
    for (const it of answer.headers.getSetCookie()) cookies.set(...it.split(';')[0].split(/=(.*)/s).slice(0, 2));
    if (!answer.headers.get('location')) throw new Error(`${answer.status} ${await answer.text()}`);
    url = new URL(answer.headers.get('location'), url).href;
  }
  const code = new URL(url).searchParams.get('code');
  return json(as.token_endpoint, { method: 'POST', body: new URLSearchParams({ grant_type: 'authorization_code', code, redirect_uri, client_id: client.client_id, code_verifier: verifier, resource: wanted }) });
}
if (mode === '--token') { console.log(JSON.stringify(await token())); server.close(); server.closeAllConnections(); }
