// A cable between a pool and its server that a test can cut, as often as it likes: real sockets, really destroyed.

import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";

import type { Teardown } from "../../support/teardown.ts";

/** A way to the server of a URL whose connections can be cut. */
export async function throughCable(
  t: Teardown,
  url: string,
): Promise<{ readonly url: string; readonly cut: () => void }> {
  const target = new URL(url);
  const folder = target.searchParams.get("host");
  const port = target.port === "" ? 5432 : Number(target.port);
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = folder === null ? connect(port, target.hostname) : connect(join(folder, `.s.PGSQL.${port}`));
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on("error", () => undefined);
    }
    near.pipe(far).pipe(near);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("a TCP server has a port");
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  t.teardown(() => {
    cut();
    server.close();
  });
  target.searchParams.delete("host");
  target.hostname = "127.0.0.1";
  target.port = String(address.port);
  return { url: target.href, cut };
}
