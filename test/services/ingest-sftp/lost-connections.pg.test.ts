// Services whose connections to the database are cut, over and over, go on as soon as they can.

import { setTimeout as sleep } from "node:timers/promises";

import t from "tap";

import { withServices } from "../../../libs/cli/services.ts";
import { openSystem } from "../../../libs/cli/system.ts";
import { parseSourceId } from "../../../libs/domain/ids.ts";
import { deliver } from "../../../libs/ingest/deliver.ts";
import { throughCable } from "../../adapters/postgres/cable.ts";
import { addDistrict, freshSystem } from "../../support/system.ts";

const path = new URL("../../fixtures/v12-bulk", import.meta.url).pathname;

t.test("no cut of all connections, whenever it comes, ends the services for good", async (t) => {
  const system = await freshSystem(t);
  const source = parseSourceId("files");
  if (source === null) throw new Error("files is a source id");
  const cable = await throughCable(t, system.database.url);
  const { signal } = new AbortController();
  const far = await openSystem({ dataDir: system.folder, databaseUrl: cable.url }, system.logger);
  await withServices(far, async () => {
    for (const name of ["north", "south"]) {
      const district = await addDistrict(system, name);
      await deliver(system, { district, source, path, signal });
      await sleep(40);
      cable.cut();
    }
    for (;;) {
      const published: readonly unknown[] = await system
        .sql("changesets")
        .where({ state: "published" })
        .select("number");
      if (published.length === 2) break;
      await sleep(50);
    }
  });
  await far.close();
  t.match(system.logged(), /service failed, starting it again/u);
});
