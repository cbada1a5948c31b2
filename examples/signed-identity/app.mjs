// An application that believes nobody but the gate.

import { createPublicKey, verify } from "node:crypto";
import { createServer } from "node:http";

let keys = [];
const find = (kid) => keys.find((key) => key.kid === kid);
const decode = (part) => Buffer.from(part ?? "", "base64url");

/** The claims of who is calling; throws where there is nothing to believe. */
async function caller({ method, url, headers }) {
  const [head, body, signature] = (headers["x-orgate-assertion"] ?? "").split(".");
  const { alg, kid } = JSON.parse(decode(head));
  if (!find(kid)) keys = (await (await fetch(process.env.KEYS)).json()).keys;
  const key = { key: createPublicKey({ key: find(kid) ?? {}, format: "jwk" }), dsaEncoding: "ieee-p1363" };
  const holds = alg === "ES256" && verify("sha256", Buffer.from(`${head}.${body}`), key, decode(signature));
  const claims = JSON.parse(decode(body));
  if (!holds || claims.iss !== "https://gate.example.com" || !claims.aud.includes("notes")) throw new Error("not ours");
  if (claims.exp <= Date.now() / 1000) throw new Error("it has expired");
  if (claims.htm !== method || claims.htu !== url.split("?")[0]) throw new Error("it was made for another request");
  return claims;
}

const server = createServer(async (request, response) => {
  const [status, answer] = await caller(request).then((claims) => [200, claims], (error) => [401, { error: error.message }]);
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(answer));
});
server.listen(Number(process.env.PORT), "127.0.0.1", () => {
  console.log(`listening app http://127.0.0.1:${server.address().port}`);
});
