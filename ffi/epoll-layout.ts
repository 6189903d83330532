/** `struct epoll_event` of <sys/epoll.h>: packed on x86-64 only, so that its 64-bit word lies at 4 there and at 8 elsewhere. */
export interface EpollLayout {
  readonly size: number;
  readonly data: number;
}

export const EPOLL_LAYOUTS: Readonly<Record<"x64" | "arm64", EpollLayout>> = {
  x64: { size: 12, data: 4 },
  arm64: { size: 16, data: 8 },
};
