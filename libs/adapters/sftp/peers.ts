// Who is one and the same for limits. It keeps true that a network of IPv6, of which anybody gets a whole /64, counts as
// one, as an address of IPv4 does.

import { isIPv6 } from "node:net";

/** An address as people write it: a socket for both families tells IPv4 as ::ffff:198.51.100.7, and adds its interface. */
export function plainAddress(address: string): string {
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/iu.exec(address)?.[1] ?? address.replace(/%.*$/u, "");
}

/** An address of IPv4, or the /64 of one of IPv6. */
export function peerOf(address: string): string {
  const plain = plainAddress(address);
  if (!isIPv6(plain)) return plain;
  const [head = "", tail] = plain.split("::");
  const [first, last] = [groupsOf(head), groupsOf(tail ?? "")];
  // What stands for two groups in the last place is no part of the network.
  const left = 8 - first.length - last.length - (plain.includes(".") ? 1 : 0);
  const groups = [...first, ...Array.from({ length: Math.max(left, 0) }, () => "0"), ...last];
  const network = groups.slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16));
  return `${network.join(":")}::/64`;
}

function groupsOf(text: string): readonly string[] {
  return text === "" ? [] : text.split(":");
}
