/** Bringing up the loopback interface of a new network namespace, which starts down (man netdevice). Linux only. */
import { OwnedFd } from "./fd.ts";
import { check, libc } from "./libc.ts";
import { piece } from "./memory.ts";

const c = libc({
  socket: { args: ["i32", "i32", "i32"], returns: "i32" },
  // Variadic: int ioctl(int, unsigned long, ...).
  ioctl: { args: ["i32", "u64", "buffer"], returns: "i32" },
});

const AF_INET = 2;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const SIOCGIFFLAGS = 0x8913n;
const SIOCSIFFLAGS = 0x8914n;
const IFF_UP = 1;
/** struct ifreq: char ifr_name[16], then a union whose first member here is short ifr_flags. */
const IFREQ_SIZE = 40;
const IFR_FLAGS = 16;

/** Brings `lo` up. @throws SystemError, EPERM without CAP_NET_ADMIN in the network namespace */
export function bringUpLoopback(): void {
  using socket = new OwnedFd(check("socket", c.socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "bring up the loopback interface"));
  const request = piece(IFREQ_SIZE);
  request.bytes.set(Buffer.from("lo"));
  check("ioctl", c.ioctl(socket.fd, SIOCGIFFLAGS, request.bytes), "read the loopback interface's state");
  const flags = request.view.getInt16(IFR_FLAGS, true);
  request.view.setInt16(IFR_FLAGS, flags | IFF_UP, true);
  check("ioctl", c.ioctl(socket.fd, SIOCSIFFLAGS, request.bytes), "bring up the loopback interface");
}
