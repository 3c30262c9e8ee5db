// Lives here: a stand-in for a server with a console: the page's files, a state that changes, /admin.
// To look at the page: `node src/console/tests/mock.mjs 8080`, then http://127.0.0.1:8080/console.
// Not here: the world behind it (mock-world.mjs).

import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";

import { MockWorld } from "./mock-world.mjs";

const FOLDER = new URL("../", import.meta.url);
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };
/** As strict as a server may be: the page must work under it. */
const CSP = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const STEP_MS = 250;
export const TOKEN = "open sesame";

export class Mock {
  /** Serves `world`; it lives on by the clock unless `lives` is false. */
  static async start({ world = new MockWorld(), port = 0, lives = true } = {}) {
    const mock = new Mock(world);
    mock.http.listen(port, "127.0.0.1");
    await once(mock.http, "listening");
    mock.url = `http://127.0.0.1:${mock.http.address().port}/console`;
    if (lives) mock.timer = setInterval(() => world.step(STEP_MS / 1000), STEP_MS);
    return mock;
  }

  constructor(world) {
    this.world = world;
    this.asked = [];
    this.http = createServer((request, response) => this.#serve(request, response));
  }

  async stop() {
    clearInterval(this.timer);
    this.http.closeAllConnections();
    this.http.close();
    await once(this.http, "close");
  }

  async #serve(request, response) {
    const { pathname } = new URL(request.url, "http://mock");
    if (pathname === "/console/state") return json(response, 200, this.world.state());
    if (request.method === "POST" && pathname.startsWith("/admin/")) return this.#admin(pathname.slice(7), request, response);
    const name = pathname === "/console" ? "index.html" : (pathname.match(/^\/console\/([\w-]+\.\w+)$/)?.[1] ?? null);
    const body = name === null ? null : await readFile(new URL(name, FOLDER)).catch(() => null);
    if (body === null) return response.writeHead(404).end();
    response.writeHead(200, { "content-type": `${TYPES[extname(name)]}; charset=utf-8`, "content-security-policy": CSP });
    return response.end(body);
  }

  async #admin(action, request, response) {
    let text = "";
    for await (const part of request) text += part;
    const body = JSON.parse(text);
    this.asked.push({ action, body });
    if (request.headers.authorization !== `Bearer ${TOKEN}`) return refuse(response, 401, "unauthorized", "that is not the token");
    try {
      return json(response, 200, this.world.admin(action, body));
    } catch (error) {
      return refuse(response, 409, "refused", error.message);
    }
  }
}

function json(response, status, value) {
  response.writeHead(status, { "content-type": "application/json", "cache-control": "no-store" });
  response.end(JSON.stringify(value));
}

const refuse = (response, status, code, message) => json(response, status, { error: { code, message } });

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const world = process.argv[3] === "ledger" ? MockWorld.ledger() : new MockWorld();
  world.run(120);
  const { url } = await Mock.start({ world, port: Number(process.argv[2] ?? 8080) });
  process.stdout.write(`${url}   (token: ${TOKEN})\n`);
}
