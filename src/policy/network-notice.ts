/** What a person is told where there are `network_rule`s: they are read, and nothing enforces them yet. */

/** @param count how many there are; at least one */
export function networkRulesNotice(count: number): string {
  const rules = count === 1 ? "1 network_rule is" : `${count} network_rules are`;
  return `${rules} not enforced: there is no network proxy, so a command's network is off or, with --network, open to every host`;
}
