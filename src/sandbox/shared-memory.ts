/**
 * Where POSIX shared memory is. Programs need to write there: new and empty where there is a mount namespace, else it is the machine's,
 * so nothing in it is ever escalated.
 */
export const SHARED_MEMORY = "/dev/shm";
