// The bytes of one SFTP channel: requests in, answers out, one after another.
// It keeps true that a client which asks and does not read is not read from either, so that memory stays flat,
// and that nothing a client sends ends more than its own channel.

import type { Socket } from "node:net";

import type { ServerChannel } from "ssh2";

import { Packets } from "./packets.ts";
import type { SftpSession } from "./session.ts";
import { readRequest } from "./wire.ts";

/** How much may wait in the socket until the client reads. */
const mostWaiting = 4 * 1024 * 1024;

export type SftpChannel = {
  /** Resolves when nothing is open any more; then the channel is closed. */
  readonly ended: Promise<void>;
  /** Ends the session after the request that is being served. Twice changes nothing. */
  end(): void;
};

export function serveSftp(
  channel: ServerChannel,
  about: { readonly session: SftpSession; readonly socket: Socket; readonly onRequest: () => void },
): SftpChannel {
  const served = new Served(channel, about);
  return { ended: served.ended, end: () => served.end() };
}

class Served {
  readonly #channel: ServerChannel;
  readonly #session: SftpSession;
  readonly #socket: Socket;
  readonly #onRequest: () => void;
  readonly #packets = new Packets();
  readonly #ended = Promise.withResolvers<void>();
  #isGreeted = false;
  #isBusy = false;
  #isEnding = false;

  constructor(
    channel: ServerChannel,
    about: { readonly session: SftpSession; readonly socket: Socket; readonly onRequest: () => void },
  ) {
    this.#channel = channel;
    this.#session = about.session;
    this.#socket = about.socket;
    this.#onRequest = about.onRequest;
    channel.on("data", (piece: Buffer) => {
      this.#packets.push(piece);
      this.#serve();
    });
    for (const event of ["end", "close", "error"]) channel.on(event, () => this.end());
  }

  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  end(): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    if (!this.#isBusy) this.#finish();
  }

  #finish(): void {
    this.#isBusy = true;
    void this.#session.end().finally(() => {
      this.#channel.exit(0);
      // Without this the client waits for ever after its last transfer.
      this.#channel.end();
      this.#ended.resolve();
    });
  }

  /** Serves the requests that are there, until one has to be waited for. */
  #serve(): void {
    while (!this.#isEnding) {
      const packet = this.#packets.next();
      if (packet === null) return;
      const request = packet === "malformed" ? null : readRequest(packet);
      if (request === null || (request.type === "init") === this.#isGreeted) {
        this.end();
        return;
      }
      this.#isGreeted = true;
      this.#onRequest();
      const answer = this.#session.answer(request);
      if (answer instanceof Promise) {
        this.#wait(answer.then((late) => this.#send(late)));
        return;
      }
      this.#send(answer);
      if (this.#isFull()) {
        this.#wait(this.#room());
        return;
      }
    }
  }

  #send(answer: Buffer): void {
    if (this.#channel.writable) this.#channel.write(answer);
  }

  #isFull(): boolean {
    return this.#channel.writableNeedDrain || this.#socket.writableLength > mostWaiting;
  }

  /** Resolves when the client has read enough, or is gone. */
  async #room(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const waitedFor = this.#channel.writableNeedDrain ? this.#channel : this.#socket;
    waitedFor.once("drain", resolve);
    this.#socket.once("close", resolve);
    await promise;
    waitedFor.off("drain", resolve);
    this.#socket.off("close", resolve);
  }

  #wait(work: Promise<void>): void {
    this.#isBusy = true;
    this.#channel.pause();
    void work.finally(() => {
      this.#isBusy = false;
      if (this.#isEnding) {
        this.#finish();
        return;
      }
      this.#serve();
      if (!this.#isBusy) this.#channel.resume();
    });
  }
}
