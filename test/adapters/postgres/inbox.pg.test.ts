// The contract of the inbox on the PostgreSQL log.

import { inboxContract } from "../../contract/inbox.ts";
import { freshLogs } from "../../support/log.ts";

inboxContract("the PostgreSQL log", freshLogs);
