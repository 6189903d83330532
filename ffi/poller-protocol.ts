/** What the main thread writes to the poller's pipe: records of u32 id, i32 descriptor, i32 events, little-endian. */
export const COMMAND_SIZE = 12;
/** In place of events: forget this id. */
export const REMOVE = -1;
