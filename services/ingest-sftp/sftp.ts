// The SFTP server as a service: accounts and their files over PostgreSQL and the data folder.

import { join } from "node:path";

import { Drops } from "../../libs/adapters/drops/drops.ts";
import { PostgresAccounts } from "../../libs/adapters/sftp/accounts.ts";
import { openHostKeys } from "../../libs/adapters/sftp/host-keys.ts";
import { type SftpLimits, startSftpServer } from "../../libs/adapters/sftp/server.ts";
import type { IngestContext } from "../../libs/ingest/deliver.ts";
import type { SftpAddress } from "./config.ts";

/** Below the data folder: what districts upload, a folder per district and source. */
export const dropsFolder = (dataDir: string): string => join(dataDir, "drops");

export type ServedSftp = {
  readonly port: number;
  /** Lets what is being written be resumed later. */
  close(): Promise<void>;
};

/** Serves until it is closed. @throws AppError `sftp.address`. */
export async function serveSftp(
  { sql, logger }: Pick<IngestContext, "sql" | "logger">,
  about: { readonly address: SftpAddress; readonly dataDir: string; readonly limits?: Partial<SftpLimits> },
): Promise<ServedSftp> {
  const { address, dataDir, limits = {} } = about;
  const hostKeys = await openHostKeys(dataDir);
  const drops = await Drops.open({ sql, root: dropsFolder(dataDir) });
  const accounts = new PostgresAccounts({ sql, files: (account, address) => drops.files(account, address) });
  try {
    const server = await startSftpServer({ accounts, hostKeys, address, limits, logger });
    return {
      port: server.port,
      close: async () => {
        await server.close();
        await drops.close();
      },
    };
  } catch (error) {
    await drops.close();
    throw error;
  }
}
