/**
 * The set of descriptors that the poller's thread waits on, as the main thread changes it.
 *
 * Linux: an epoll set, which is changed without a word to the thread. Elsewhere: commands through a pipe, which wake it.
 */
import { addInterest, makeEpoll, removeInterest } from "./epoll.ts";
import { duplicate, type Fd, type OwnedFd, writeSome } from "./fd.ts";
import { LINUX } from "./libc.ts";
import { pipe } from "./pipe.ts";
import { COMMAND_SIZE, REMOVE, type WatcherStart } from "./poller-protocol.ts";

export interface Watcher extends Disposable {
  /** What the thread must know. */
  readonly start: WatcherStart;
  /** Has `id` reported once. @returns false where it is ready now and always */
  add(id: number, fd: Fd, events: number): boolean;
  /** Forgets it, reported or not. */
  remove(id: number, fd: Fd): void;
}

export const makeWatcher = (): Watcher => (LINUX ? new EpollWatcher() : new PipeWatcher());

class EpollWatcher implements Watcher {
  readonly #set = makeEpoll();
  /** Descriptors in the set. It takes each once: a second wait on the same one waits on a duplicate. */
  readonly #taken = new Set<Fd>();
  readonly #duplicates = new Map<number, OwnedFd>();

  get start(): WatcherStart {
    return { kind: "epoll", fd: this.#set.fd };
  }

  add(id: number, fd: Fd, events: number): boolean {
    if (!this.#taken.has(fd)) {
      if (!addInterest(this.#set.fd, id, fd, events)) return false;
      this.#taken.add(fd);
      return true;
    }
    using another = duplicate(fd);
    if (!addInterest(this.#set.fd, id, another.fd, events)) return false;
    this.#duplicates.set(id, another.move());
    return true;
  }

  remove(id: number, fd: Fd): void {
    const another = this.#duplicates.get(id);
    removeInterest(this.#set.fd, another?.fd ?? fd);
    if (another === undefined) this.#taken.delete(fd);
    else another.close();
    this.#duplicates.delete(id);
  }

  [Symbol.dispose](): void {
    this.#set.close();
  }
}

class PipeWatcher implements Watcher {
  readonly start: WatcherStart;
  readonly #commands: OwnedFd;

  constructor() {
    const { read, write } = pipe();
    this.#commands = write;
    this.start = { kind: "pipe", fd: read.take() };
  }

  add(id: number, fd: Fd, events: number): boolean {
    this.#command(id, fd, events);
    return true;
  }

  remove(id: number, fd: Fd): void {
    this.#command(id, fd, REMOVE);
  }

  #command(id: number, fd: Fd, events: number): void {
    const record = new Uint8Array(new ArrayBuffer(COMMAND_SIZE));
    const view = new DataView(record.buffer);
    view.setUint32(0, id, true);
    view.setInt32(4, fd, true);
    view.setInt32(8, events, true);
    writeSome(this.#commands.fd, record, "tell the poller"); // shorter than PIPE_BUF: whole or not at all (man pipe)
  }

  [Symbol.dispose](): void {
    this.#commands.close();
  }
}
