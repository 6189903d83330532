/** `struct pollfd` and the event bits of <poll.h>, the same on Linux and Darwin. */

export const POLLFD_SIZE = 8;
export const POLLIN = 0x1;
export const POLLPRI = 0x2;
export const POLLOUT = 0x4;
export const POLLHUP = 0x10;
