// Addresses and networks of the internet, as an allow-list names them.

import { BlockList, isIPv4, isIPv6 } from "node:net";

/** Whether the text is an address, or a network such as 198.51.100.0/24. */
export function isNetwork(text: string): boolean {
  return blockOf([text]) !== null;
}

/** Whether an address is one of these, or in one of these networks. */
export function isInNetworks(address: string, networks: readonly string[]): boolean {
  const block = blockOf(networks);
  // A socket for both families tells an IPv4 address as ::ffff:198.51.100.7.
  const plain = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/iu.exec(address)?.[1] ?? address;
  return block?.check(plain, isIPv4(plain) ? "ipv4" : "ipv6") ?? false;
}

function blockOf(networks: readonly string[]): BlockList | null {
  const block = new BlockList();
  for (const network of networks) {
    const [address = "", bits, ...rest] = network.split("/");
    const family = isIPv4(address) ? "ipv4" : isIPv6(address) ? "ipv6" : null;
    const most = family === "ipv4" ? 32 : 128;
    const prefix = bits === undefined ? most : /^\d{1,3}$/u.test(bits) ? Number(bits) : Number.NaN;
    if (family === null || rest.length > 0 || !(prefix <= most)) return null;
    block.addSubnet(address, prefix, family);
  }
  return block;
}
