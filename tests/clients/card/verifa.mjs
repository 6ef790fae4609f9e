// A Verifa that gives the same link every time, for pictures: its sessions look like real ones.

import { once } from "node:events";
import { createServer } from "node:http";

// `status` is what a lookup shows.
export async function startVerifa(t, lifetime, status = "pending") {
  const server = createServer(({ method, url }, response) => {
    const id = url.split("/")[4];
    const link = {
      id,
      status: "pending",
      capture_url: "https://app.withverifa.com/verify/tok_8f2c1d7ab94e4c0f",
      expires_at: new Date(Date.now() + lifetime).toISOString(),
      qr_code_data_url: null,
    };
    const answer = method === "POST" ? link : { id, status };
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answer));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  return `http://127.0.0.1:${server.address().port}`;
}
