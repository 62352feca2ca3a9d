// Following on the log in PostgreSQL.

import t from "tap";

import { freshLogs } from "../support/log.ts";
import { followingTests } from "./following.ts";

followingTests(t, freshLogs);
