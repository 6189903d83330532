/** Name the program that Bash calls in place of each exec; the second is the older name. */
export const HOOK_VARIABLES = ["EXEC_WRAPPER", "BASH_EXEC_WRAPPER"] as const;
